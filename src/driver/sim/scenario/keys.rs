//! Every key of a scenario: the one list that the manual page, the options of `sim/…` and the tests are made from.

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The table that it stands in; empty for the top of the file.
    pub table: &'static str,
    pub name: &'static str,
    /// What may be written, with its unit.
    pub value: &'static str,
    pub default: &'static str,
    pub about: &'static str,
    /// As it may stand in a file.
    pub example: &'static str,
}

const fn key(
    table: &'static str,
    name: &'static str,
    value: &'static str,
    default: &'static str,
    about: &'static str,
    example: &'static str,
) -> Key {
    Key { table, name, value, default, about, example }
}

const SECONDS: &str = "seconds, 0 to 86400";
const MILLIS: &str = "milliseconds, 0 to 600000";
const DECIBELS: &str = "decibels, -120 to 120";
const YES: &str = "true or false";
const NUMBER: &str = "1 to 20 digits";
const WHICH: &str = "a list of whole numbers from 1";

#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("", "about", "a text", "none", "One line for people.", "\"a noisy line\""),

    key("line", "class", "\"exchange\" or \"pbx-extension\"", "exchange",
        "Whose line it is. An extension has the PBX's recall window where the tables have one, goes back by a flash \
         alone, transfers by hanging up, also while the target rings, is rung back with whoever cannot be connected, \
         and has no forward disconnect; each of these can still be said otherwise.", "\"pbx-extension\""),
    key("line", "transfer", "\"on-hang-up\", \"explicit\" or \"none\"", "the country's",
        "How a call is handed on: by hanging up; by R4 only; or not at all, and hanging up ends the three-way call for \
         everybody.", "\"none\""),
    key("line", "flash_service", YES, "true", "Without it a hook flash does nothing.", "false"),
    key("line", "busy_hangup", "\"drop\" or \"recall\"", "drop",
        "What becomes of a held party when we hang up and there is nobody to connect it to: dropped, or rung back to us.",
        "\"recall\""),
    key("line", "while_ringing", YES, "the country's", "A call may be left while the target still rings.", "true"),
    key("line", "recall_after_s", SECONDS, "20",
        "A target that was left ringing and does not answer for so long brings the caller back to us.", "15.0"),
    key("line", "forward_disconnect_ms", MILLIS, "500 in North America, else 0",
        "How long the loop is opened when the far end hangs up; 0: a tone tells it.", "250"),
    key("line", "dial_tone_delay_ms", MILLIS, "350", "From lifting to dial tone, and up to 200 ms more by chance.", "800"),
    key("line", "first_digit_s", SECONDS, "16", "How long dial tone waits for the first digit.", "10.0"),
    key("line", "inter_digit_s", SECONDS, "8", "How long a number waits for its next digit.", "4.0"),
    key("line", "permanent_signal", "a list of \"busy\", \"reorder\", \"announcement\", \"howler\"",
        "reorder (after it an announcement in North America), and the howler where the tables know one",
        "What a handset hears that dials nothing, one after the other, and then silence.", "[\"busy\", \"howler\"]"),
    key("line", "caller_id", YES, "true", "Whether callers are shown, in the country's format.", "false"),
    key("line", "number_display", YES, "false",
        "Japan only: the line is reversed and rung in short bursts for six seconds; who lifts in them is sent the number, \
         has to hang up again, and is rung.", "true"),
    key("line", "stutter", YES, "false", "Dial tone is the one that says: something is waiting, or set.", "true"),
    key("line", "message_waiting_at_s", SECONDS, "never",
        "A message comes to be waiting then: dial tone stutters from then on, and where the country sends caller ID by \
         FSK the telephone is told as soon as it is on-hook.", "3.0"),
    key("line", "call_waiting", YES, "false",
        "A second caller waits, and a tone tells of it: a flash takes the call and swaps the two, or R2; R1 ends the \
         first and takes it, R0 refuses it. Hanging up lets it ring.", "true"),
    key("line", "call_waiting_id", YES, "true with call_waiting",
        "Who waits is told to a telephone that answers the alert (2130 + 2750 Hz, 80 ms) with DTMF D or A.", "true"),
    key("line", "answer_reversal", YES, "false", "The line is reversed while a call of ours is answered.", "true"),
    key("line", "forwarding", YES, "true",
        "Forwarding by service code is subscribed: *72 and its kin in North America, *21*number# and its kin where R1 \
         goes back. While it is on, dial tone stutters and calls do not reach us. Without it the codes lead to an \
         announcement.", "false"),
    key("line", "outside_line", NUMBER, "none",
        "Digits before a number of the network, with a second dial tone after them; numbers of `[[subscriber]]` are \
         called without.", "\"9\""),
    key("line", "pulse_one_is_recall", YES, "true where the recall window ends at 200 ms or before",
        "Real FXS ports only: a lone dial pulse in a call is recall. Drivers take every short break for a pulse.", "true"),

    key("pair", "loss_db", DECIBELS, "3; real ports 0", "Loss of the pair, each way.", "6.0"),
    key("pair", "noise_dbm0", DECIBELS, "-70; real ports none", "Level of the noise; below -90 there is none.", "-55.0"),
    key("pair", "hum_hz", "50 or 60", "the country's mains", "Frequency of the hum; alone it is heard at -45 dBm0.", "60"),
    key("pair", "hum_dbm0", DECIBELS, "no hum", "Level of the mains hum, with its third harmonic 6 dB below.", "-40.0"),
    key("pair", "echo_loss_db", DECIBELS, "18; real ports none", "Echo return loss of each hybrid; from 60 there is none.", "12.0"),
    key("pair", "echo_delay_ms", "milliseconds, 0 to 64", "1.5", "Delay of that echo.", "8.0"),
    key("pair", "delay_ms", "milliseconds, 0 to 500", "0", "Delay of the pair, each way: carrier equipment, a satellite.", "30.0"),
    key("pair", "clicks_per_minute", "0 to 600", "0", "Clicks, by chance.", "10.0"),
    key("pair", "bursts_per_minute", "0 to 600", "0", "Bursts of noise, by chance.", "4.0"),
    key("pair", "burst_ms", MILLIS, "200", "How long such a burst lasts.", "400"),
    key("pair", "burst_dbm0", DECIBELS, "-25", "How loud it is.", "-20.0"),

    key("fault", "recall_min_ms", MILLIS, "the country's", "The recall window begins elsewhere.", "500"),
    key("fault", "recall_max_ms", MILLIS, "the country's", "The recall window ends elsewhere.", "700"),
    key("fault", "flash_ignored", WHICH, "none", "The exchange misses these flashes; 1 is the first of the run.", "[1, 2]"),
    key("fault", "flash_taken_as_hang_up", WHICH, "none", "It takes these for a hang-up and a new seizure.", "[1]"),
    key("fault", "dial_tone_delay_ms", MILLIS, "0", "Dial tone comes so much later, and digits before it are not heard.", "4000"),
    key("fault", "recall_tone_delay_ms", MILLIS, "0", "Likewise the recall tone.", "2500"),
    key("fault", "no_dial_tone", YES, "false", "Digits are taken, and there is no dial tone.", "true"),
    key("fault", "no_recall_tone", YES, "false", "Digits are taken after a flash, and there is no recall tone.", "true"),
    key("fault", "recall_announcement", YES, "false", "An announcement is heard in the recall tone's place.", "true"),
    key("fault", "no_confirmation", YES, "false", "A service code is done, and nothing is heard of it.", "true"),
    key("fault", "confirmation_announcement", YES, "false", "Somebody says that it is done, where there should be a tone.", "true"),
    key("fault", "codes_refused", YES, "false", "Service codes are answered by reorder, and nothing is done.", "true"),
    key("fault", "digits_missed", WHICH, "none", "The register does not hear these digits of each number.", "[3]"),
    key("fault", "tone_level_db", "decibels, -40 to 10", "0", "Tones are so much louder.", "-9.0"),
    key("fault", "tone_frequency_percent", "percent, -20 to 20", "0", "Frequencies of tones are so much higher.", "3.0"),
    key("fault", "tone_cadence_percent", "percent, -60 to 100", "0", "Bursts and pauses of tones are so much longer.", "15.0"),
    key("fault", "tones_off", "a list of tones as the trace calls them: \"busy\", \"recall-dial\"", "all",
        "Which tones that is true of.", "[\"busy\", \"reorder\"]"),
    key("fault", "no_forward_disconnect", YES, "false", "The far end's hanging up is told by a tone only.", "true"),
    key("fault", "glare", YES, "false", "The first `[[call]]` comes at no time of its own, but in the moment in which we lift.", "true"),
    key("fault", "caller_id_garbled", YES, "false", "A part of the caller-ID data is lost.", "true"),
    key("fault", "parallel_lifted_at_s", SECONDS, "never",
        "Another telephone on the pair is lifted: it answers what rings, takes 3.5 dB of the voice, and keeps the loop \
         closed whatever we do: no flash and no hang-up of ours is seen.", "10.0"),
    key("fault", "parallel_hung_up_after_s", SECONDS, "never", "It is hung up so much later.", "20.0"),
    key("fault", "parallel_silent", YES, "false", "Nobody talks into it.", "true"),
    key("fault", "parallel_takes_battery", YES, "false", "While it is lifted so little voltage is left that our port senses none.", "true"),
    key("fault", "battery_lost_at_s", SECONDS, "never", "The exchange's battery fails.", "8.0"),
    key("fault", "battery_lost_ms", MILLIS, "for good", "For so long. Ports report from 64 ms on.", "2000"),
    key("fault", "unplugged_at_s", SECONDS, "never", "Our end of the pair is pulled out of the wall.", "8.0"),
    key("fault", "plugged_in_after_s", SECONDS, "never", "It is plugged in so much later.", "5.0"),
    key("fault", "device_removed_at_s", SECONDS, "never", "The card or adapter goes away.", "8.0"),

    key("call", "at_s", SECONDS, "to be given", "When the call comes.", "1.0"),
    key("call", "from", NUMBER, "to be given", "The caller's number.", "\"5551234\""),
    key("call", "name", "1 to 50 characters", "none", "The caller's name.", "\"ALICE EXAMPLE\""),
    key("call", "withheld", YES, "false", "Neither is shown.", "true"),
    key("call", "rings", "a count, 0 to 1000", "12", "After so many rings without answer the caller gives up.", "6"),
    key("call", "patience_s", SECONDS, "for ever", "After so long on hold the caller hangs up.", "8.0"),
    key("call", "says", "\"talks\", \"nothing\" or \"fax\"", "talks", "What the caller does when answered.", "\"nothing\""),
    key("call", "hangs_up_after_s", SECONDS, "never", "So long after we answered the caller hangs up.", "30.0"),

    key("subscriber", "number", NUMBER, "to be given", "Whom we can call. A well-known number gets these habits instead of its own.", "\"5550200\""),
    key("subscriber", "does",
        "\"speaks\", \"busy\", \"never-answers\", \"rejects\", \"not-in-service\", \"congestion\", \"answering-machine\", \
         \"fax\", \"test-tone\", \"calls-back\", \"echo-test\", \"quiet\", \"accepts\" or \"refuses\"", "to be given",
        "What becomes of a call to it. The last two press 1 or 2 when they have been spoken to.", "\"speaks\""),
    key("subscriber", "rings", "a count, 0 to 1000", "1", "Answers after so many rings.", "3"),
    key("subscriber", "answers_after_s", SECONDS, "by rings", "Answers after so long.", "5.0"),
    key("subscriber", "hangs_up_after_s", SECONDS, "never", "Hangs up so long after answering.", "10.0"),
    key("subscriber", "patience_s", SECONDS, "for ever", "Hangs up after so long on hold.", "5.0"),

    key("burst", "at_s", SECONDS, "to be given", "When noise begins on the pair.", "12.0"),
    key("burst", "lasts_ms", MILLIS, "to be given", "How long it lasts.", "300"),
    key("burst", "dbm0", DECIBELS, "to be given", "How loud it is.", "-20.0"),
];

/// What only the name of a port says, `sim/us?seed=7&clock=virtual`; the keys of `[pair]` can stand there too.
#[rustfmt::skip]
pub const SELECTOR_ONLY: &[Key] = &[
    key("", "seed", "a whole number", "1", "What is left to chance is drawn from it: the same seed, scenario and commands give the same run.", "7"),
    key("", "scenario", "a name or a file", "idle", "The scenario.", "incoming"),
    key("", "clock", "\"real\" or \"virtual\"", "real", "Virtual time never waits: ten minutes of a call take milliseconds.", "virtual"),
    key("", "speed", "0.1 to 200 times real time", "1", "How fast the real clock runs.", "20"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::sim::scenario::Scenario;

    const TABLES: [&str; 7] = ["", "line", "pair", "fault", "call", "subscriber", "burst"];

    fn of(table: &str) -> Vec<&'static Key> {
        KEYS.iter().filter(|k| k.table == table).collect()
    }

    /// A file with these lines in this table, and whatever that table cannot be without.
    fn file(table: &str, lines: &str) -> String {
        let has = |name: &str| lines.contains(&format!("{name} ="));
        let needed: String = of(table)
            .iter()
            .filter(|k| k.default == "to be given" && !has(k.name))
            .map(|k| format!("{} = {}\n", k.name, k.example))
            .collect();
        match table {
            "" => lines.to_string(),
            "call" | "subscriber" | "burst" => format!("[[{table}]]\n{needed}{lines}"),
            _ => format!("[{table}]\n{needed}{lines}"),
        }
    }

    #[test]
    fn every_key_can_be_written_as_its_example_shows() {
        for key in KEYS {
            let text = file(key.table, &format!("{} = {}\n", key.name, key.example));
            toml::from_str::<Scenario>(&text).unwrap_or_else(|e| panic!("{text}{e}"));
        }
    }

    #[test]
    fn the_list_is_what_a_file_may_hold_no_more_and_no_less() {
        for table in TABLES {
            let text = file(table, "nonsense = 1\n");
            let error = toml::from_str::<Scenario>(&text).unwrap_err().message().to_string();
            let mut known: Vec<&str> = error.split("expected").nth(1).unwrap().split('`').skip(1).step_by(2).collect();
            // the names of tables stand at the top too
            known.retain(|k| !TABLES.contains(k));
            let mut listed: Vec<&str> = of(table).iter().map(|k| k.name).collect();
            known.sort_unstable();
            listed.sort_unstable();
            assert_eq!(listed, known, "[{table}]");
        }
    }
}
