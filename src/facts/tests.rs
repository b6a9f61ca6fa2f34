use super::notation::FREQUENCY_HZ;
use super::*;
use proptest::prelude::*;

const REQUIRED: [&str; 25] = [
    "au", "br", "ca", "cn", "cz", "de", "dk", "es", "fi", "fr", "gb", "ie", "in", "it", "itu", "jp", "nl", "no", "nz",
    "pl", "ru", "se", "tr", "us", "za",
];

fn country(code: &str) -> &'static Country {
    Facts::embedded().country(code).unwrap_or_else(|| panic!("no {code}"))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A tone as written, so that the tests show what a telephone book would.
fn written(tone: &ToneSpec) -> String {
    let step = |once: bool, s: &ToneStep| {
        let sound = match &s.sound {
            Sound::Silence => "0".into(),
            Sound::Sum(hz) => hz.iter().map(f32::to_string).collect::<Vec<_>>().join("+"),
            Sound::Modulated { carrier_hz, by_hz } => format!("{carrier_hz}*{by_hz}"),
        };
        let lasts = s.lasts.map(|d| format!("/{}", d.as_millis())).unwrap_or_default();
        let softer = if s.relative_db == 0.0 { String::new() } else { format!("@{}", s.relative_db) };
        format!("{}{sound}{softer}{lasts}", if once { "!" } else { "" })
    };
    let intro = tone.intro.iter().map(|s| step(true, s));
    let steps = tone.steps.iter().map(|s| step(!tone.repeats, s));
    intro.chain(steps).collect::<Vec<_>>().join(",")
}

fn main_tone(code: &str, kind: ToneKind) -> String {
    country(code).tone(kind).map(written).unwrap_or_default()
}

fn provenances(c: &Country) -> Vec<&Provenance> {
    let mut all: Vec<_> = c.tones.iter().map(|t| &t.provenance).collect();
    all.push(&c.ringing.provenance);
    all.extend(c.recall.iter().map(|r| &r.provenance));
    all.push(&c.transfer.provenance);
    all.extend(c.caller_id.iter().map(|i| &i.provenance));
    all.push(&c.dialling.provenance);
    all
}

#[test]
fn each_embedded_file_holds_the_country_of_its_name_and_only_that() {
    for (code, text) in embedded::FILES {
        let file = schema::read(text, schema::Author::Project).unwrap_or_else(|f| {
            let e = FactsError::new(text, f);
            panic!("{code}.toml: {e}")
        });
        assert_eq!(file.keys().collect::<Vec<_>>(), [code]);
        let (_, records) = &file[*code];
        assert!(records.name.is_some(), "{code} has no name");
        // nobody's own file may leave the emergency numbers to the default
        assert!(records.dialling.as_ref().is_some_and(|d| !d.emergency.is_empty()), "{code} has no emergency number");
        if let Some((like, _)) = &records.like {
            assert!(Facts::embedded().country(like).is_some(), "{code} is like {like}, which is not there");
        }
    }
}

#[test]
fn every_file_of_the_folder_is_embedded() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/data/countries");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap().trim_end_matches(".toml").to_owned())
        .collect();
    files.sort();
    assert_eq!(files, Facts::embedded().codes().collect::<Vec<_>>());
}

#[test]
fn the_default_has_every_record_that_others_may_lack() {
    let (_, text) = embedded::FILES.iter().find(|(code, _)| *code == "itu").unwrap();
    let file = schema::read(text, schema::Author::Project).unwrap_or_else(|f| panic!("{}", f.message));
    let itu = &file["itu"].1;
    assert!(itu.ringing.is_some() && itu.recall.is_some() && itu.transfer.is_some());
    assert!(itu.caller_id.is_some() && itu.dialling.is_some() && itu.like.is_none());
}

#[test]
fn every_country_can_be_worked_with() {
    for code in REQUIRED {
        assert!(Facts::embedded().codes().any(|c| c == code), "{code} is missing");
    }
    for code in Facts::embedded().codes() {
        let c = country(code);
        assert_eq!(c.code, code);
        for kind in [ToneKind::Dial, ToneKind::Ringback, ToneKind::Busy, ToneKind::Congestion, ToneKind::Sit] {
            assert!(c.tone(kind).is_some(), "{code} has no {kind} tone");
        }
        assert!(!c.ringing.cadence.is_empty() && !c.recall.is_empty() && !c.caller_id.is_empty(), "{code}");
        assert!(!c.transfer.back.is_empty() && !c.transfer.complete.is_empty(), "{code}");
        assert!(!c.dialling.emergency.is_empty(), "{code}");
    }
}

#[test]
fn every_record_names_its_source() {
    for code in Facts::embedded().codes() {
        for p in provenances(country(code)) {
            assert!(p.source.trim().len() >= 4, "{code}: {p:?}");
        }
    }
}

#[test]
fn what_rests_on_general_knowledge_alone_is_not_called_certain() {
    for code in Facts::embedded().codes() {
        for p in provenances(country(code)) {
            if p.source.starts_with("general knowledge") || p.source.contains("assumed") {
                assert!(p.confidence < Confidence::High, "{code}: {p:?}");
            }
        }
    }
}

#[test]
fn every_figure_is_within_what_a_line_can_carry() {
    for code in Facts::embedded().codes() {
        let c = country(code);
        for tone in &c.tones {
            let what = format!("{code} {} {}", tone.kind, written(tone));
            assert!(!tone.steps.is_empty(), "{what}");
            let steps: Vec<_> = tone.intro.iter().chain(&tone.steps).collect();
            for (i, step) in steps.iter().enumerate() {
                match step.lasts {
                    Some(d) => assert!((ms(10)..=ms(60_000)).contains(&d), "{what}"),
                    None => assert_eq!(i, steps.len() - 1, "{what}: only the last step may be without end"),
                }
                let hz = match &step.sound {
                    Sound::Silence => vec![],
                    Sound::Sum(hz) => hz.clone(),
                    Sound::Modulated { carrier_hz, by_hz } => vec![*carrier_hz, *by_hz],
                };
                assert!(hz.iter().all(|f| FREQUENCY_HZ.contains(f)), "{what}");
            }
            assert!(tone.level_dbm0.is_none_or(|l| (-40.0..=3.0).contains(&l)), "{what}");
        }
        assert!(c.ringing.cadence.len().is_multiple_of(2), "{code}");
        for w in &c.recall {
            assert!(w.min < w.max && (w.min..=w.max).contains(&w.typical), "{code} {w:?}");
            // a shorter break could be the pulse of a digit (61 to 67 ms)
            assert!(w.typical >= ms(80), "{code} {w:?}");
        }
    }
}

#[test]
fn the_main_tone_of_a_kind_comes_first_and_the_doubtful_ones_after_it() {
    for code in Facts::embedded().codes() {
        for kind in ToneKind::ALL {
            let mut best = Confidence::High;
            for (i, tone) in country(code).tones_of(kind).enumerate() {
                if i == 0 {
                    best = tone.provenance.confidence;
                }
                assert!(tone.provenance.confidence <= best || kind == ToneKind::Sit, "{code} {kind} {}", written(tone));
            }
        }
    }
}

#[test]
fn known_values_are_as_known() {
    use ToneKind::{Busy, Congestion, Dial, RecallDial, Ringback};
    for (code, kind, tone) in [
        ("us", Dial, "350+440"),
        ("us", RecallDial, "!350+440/100,!0/100,!350+440/100,!0/100,!350+440/100,!0/100,350+440"),
        ("us", Ringback, "440+480/2000,0/4000"),
        ("us", Busy, "480+620/500,0/500"),
        ("us", Congestion, "480+620/250,0/250"),
        ("gb", Ringback, "400+450/400,0/200,400+450/400,0/2000"),
        ("gb", Busy, "400/375,0/375"),
        ("de", Busy, "425/480,0/480"),
        ("de", Congestion, "425/240,0/240"),
        ("se", Busy, "425/250,0/250"),
        ("se", Congestion, "425/250,0/750"),
        ("fr", Dial, "440"),
        ("au", Busy, "425/375,0/375"),
        ("in", Dial, "400*25"),
        ("itu", Ringback, "425/1000,0/4000"),
    ] {
        assert_eq!(main_tone(code, kind), tone, "{code} {kind}");
    }
    for (code, min, typical, max) in
        [("us", 300, 600, 1100), ("gb", 50, 100, 130), ("itu", 80, 100, 120), ("de", 170, 300, 310)]
    {
        let w = &country(code).recall[0];
        assert_eq!((w.min, w.typical, w.max), (ms(min), ms(typical), ms(max)), "{code}");
    }
    assert_eq!(country("us").ringing.cadence, [ms(2000), ms(4000)]);
    assert_eq!(country("gb").ringing.cadence, [ms(400), ms(200), ms(400), ms(2000)]);
    assert_eq!((&*country("us").transfer.complete, country("us").transfer.while_ringing), ("H", true));
    assert_eq!((&*country("de").transfer.complete, &*country("de").transfer.back), ("R4", "R1"));
    assert_eq!(country("us").caller_id[0].format, CallerIdFormat::Bell202);
    assert_eq!(country("gb").caller_id[0].timing, CallerIdTiming::BeforeRingReversalDtas);
    assert_eq!(country("se").caller_id[0].format, CallerIdFormat::Dtmf);
    for (code, number) in [
        ("us", "911"),
        ("ca", "911"),
        ("gb", "999"),
        ("de", "112"),
        ("de", "110"),
        ("au", "000"),
        ("nz", "111"),
        ("jp", "119"),
        ("cn", "110"),
        ("br", "190"),
        ("za", "10111"),
    ] {
        assert!(country(code).dialling.emergency.iter().any(|n| n == number), "{code} {number}");
    }
    assert_eq!(country("us").dialling.international_prefix.as_deref(), Some("011"));
    assert_eq!(country("au").dialling.international_prefix.as_deref(), Some("0011"));
    assert_eq!(country("us").dialling.plus().home, Some(("1", "1")));
    assert_eq!(country("es").dialling.plus().home, Some(("34", "")));
    // the country code is known, and which carrier goes before a long-distance number is not
    assert_eq!(country("br").dialling.plus().home, None);
}

#[test]
fn what_a_country_lacks_is_taken_from_another_and_says_so() {
    let ie = country("ie").tone(ToneKind::Congestion).unwrap();
    assert_eq!(written(ie), "425/200,0/200");
    assert!(ie.provenance.source.starts_with("not known here, `itu` stands in: "), "{:?}", ie.provenance);
    assert_eq!(ie.provenance.confidence, Confidence::Low);

    let ca = country("ca").tone(ToneKind::RecallDial).unwrap();
    assert!(ca.provenance.source.starts_with("not known here, `us` stands in: "), "{:?}", ca.provenance);
    assert_eq!(ca.provenance.confidence, Confidence::Medium);
    assert_eq!(country("ca").ringing.cadence, country("us").ringing.cadence);
    assert!(country("us").tone(ToneKind::Busy).unwrap().provenance.source.starts_with("North American"));
    assert_eq!(country("fr").tone(ToneKind::Disconnect), None);
}

#[test]
fn a_country_that_nobody_described_is_not_there() {
    assert_eq!(Facts::embedded().country("zz"), None);
    assert_eq!(Facts::embedded().country("US"), None);
}

#[test]
fn a_users_record_replaces_ours_and_leaves_the_others() {
    let facts = Facts::with_user_file(
        r#"
        [us.tones]
        busy = [{ notation = "480+620/300,0/300" }, { notation = "400/200,0/200", confidence = "low" }]

        [[us.recall]]
        exchange = "our Panasonic"
        min_ms = 500
        typical_ms = 600
        max_ms = 900
        source = "measured"
        confidence = "medium"
        "#,
    )
    .unwrap();
    let us = facts.country("us").unwrap();
    let busy: Vec<String> = us.tones_of(ToneKind::Busy).map(written).collect();
    assert_eq!(busy, ["480+620/300,0/300", "400/200,0/200"]);
    assert_eq!(
        us.tone(ToneKind::Busy).unwrap().provenance,
        Provenance { source: "the user's facts file".into(), confidence: Confidence::High }
    );
    assert_eq!(us.recall.len(), 1);
    assert_eq!((us.recall[0].min, &*us.recall[0].exchange), (ms(500), "our Panasonic"));
    assert_eq!(us.recall[0].provenance, Provenance { source: "measured".into(), confidence: Confidence::Medium });
    assert_eq!(us.tone(ToneKind::Dial), country("us").tone(ToneKind::Dial));
    assert_eq!(us.name, "United States");
    assert_eq!(facts.country("gb").unwrap(), country("gb"));
    // who takes from a country takes what the user says of it
    let ca: Vec<String> = facts.country("ca").unwrap().tones_of(ToneKind::Howler).map(written).collect();
    assert_eq!(ca, ["1400+2060+2450+2600/100,0/100"]);
}

#[test]
fn a_users_own_exchange_is_like_a_country() {
    let facts = Facts::with_user_file(
        r#"
        [our-pbx]
        name = "The old Siemens in the cellar"
        like = "de"
        caller_id = []

        [our-pbx.tones]
        congestion = []

        [our-pbx.dialling]
        emergency = ["0112"]
        "#,
    )
    .unwrap();
    let pbx = facts.country("our-pbx").unwrap();
    assert_eq!(pbx.name, "The old Siemens in the cellar");
    assert_eq!(written(pbx.tone(ToneKind::Busy).unwrap()), "425/480,0/480");
    assert!(pbx.tone(ToneKind::Busy).unwrap().provenance.source.starts_with("not known here, `de` stands in"));
    // an empty list is knowledge: there is none
    assert_eq!(pbx.tone(ToneKind::Congestion), None);
    assert!(pbx.caller_id.is_empty());
    assert_eq!(pbx.dialling.emergency, ["0112", "112", "110"]);
}

#[test]
fn a_user_cannot_take_an_emergency_number_away() {
    let facts = Facts::with_user_file("[gb.dialling]\ninternational_prefix = \"9\"\nemergency = [\"2222\"]\n").unwrap();
    let gb = &facts.country("gb").unwrap().dialling;
    assert_eq!(gb.emergency, ["2222", "999", "112"]);
    assert_eq!(gb.international_prefix.as_deref(), Some("9"));

    let facts = Facts::with_user_file("[gb.dialling]\nemergency = []\n").unwrap();
    let gb = &facts.country("gb").unwrap().dialling;
    assert_eq!(
        (&gb.emergency[..], gb.international_prefix.as_deref()),
        (&["999".into(), "112".into()][..], Some("00"))
    );
}

/// (line, column, marked text, message)
fn fault(text: &str) -> (usize, usize, &str, String) {
    let e = Facts::with_user_file(text).expect_err(text);
    (e.line, e.column, &text[e.span], e.message)
}

#[test]
fn a_fault_in_a_users_file_is_shown_where_it_is() {
    for (text, line, column, marked, message) in [
        (
            "[us.tones]\nbusy = [{ notation = \"480+620/500,0/5000000\" }]",
            2,
            37,
            "5000000",
            "after `/` come milliseconds, 10 to 60000: not `5000000`",
        ),
        (
            "[us.tones]\nbusy = [{ notation = \"\" }]",
            2,
            22,
            "\"\"",
            "a frequency is 10 to 4000 Hz (or 0 for silence): not ``",
        ),
        ("[us.tones]\nbusy = [{ notation = \"480/100\", level_dbm0 = 99 }]", 2, 46, "99", "a level is -60 to 10 dBm0"),
        ("[us.ringing]\ncadence_ms = [2000]", 2, 14, "[2000]", "a ringing cadence is one to eight pairs of on and off"),
        (
            "[[us.recall]]\nexchange = \"x\"\nmin_ms = 300\ntypical_ms = 100\nmax_ms = 900",
            4,
            14,
            "100",
            "100 ms lies outside the window of 300 to 900 ms",
        ),
        (
            "[[us.recall]]\nexchange = \"x\"\nmin_ms = 300\ntypical_ms = 300\nmax_ms = 300",
            5,
            10,
            "300",
            "the window is empty: 300 to 300 ms",
        ),
        (
            "[[us.recall]]\nexchange = \"x\"\nmin_ms = 3\ntypical_ms = 300\nmax_ms = 300",
            3,
            10,
            "3",
            "a recall lasts 20 to 2000 ms: not 3",
        ),
        ("[us]\nrecall = []", 2, 10, "[]", "at least one window is needed: a line without recall cannot transfer"),
        ("[us.transfer]\nback = \"H\"\ncomplete = \"H\"", 2, 8, "\"H\"", "`H` cannot be done on a line"),
        ("[us.transfer]\nback = \"R\"\ncomplete = \"4\"", 3, 12, "\"4\"", "`4` cannot be done on a line"),
        ("[us.dialling]\nemergency = [\"nine\"]", 2, 14, "\"nine\"", "`nine` is not 1 to 16 digits"),
        ("[US]\nname = \"x\"", 1, 2, "US", "`US` is no country code"),
        ("# ä\n[new]\nlike = \"us\"", 2, 2, "new", "a country of your own needs a `name`"),
        ("[new]\nname = \"x\"\nlike = \"zz\"", 3, 8, "\"zz\"", "there is no country `zz` to be like"),
        ("[us]\nlike = \"ca\"", 2, 8, "\"ca\"", "`us` would be like itself"),
        ("[gb]\nlike = \"gb\"", 2, 8, "\"gb\"", "`gb` would be like itself"),
        ("[itu]\nlike = \"us\"", 2, 8, "\"us\"", "`itu` is the default of all others and is like nobody"),
    ] {
        assert_eq!(fault(text), (line, column, marked, message.to_owned()), "{text}");
    }
}

#[test]
fn what_the_schema_does_not_know_is_refused_by_name() {
    for (text, line, column, marked, part) in [
        ("[us]\ncolour = 1", 2, 1, "colour", "unknown field `colour`, expected one of `name`, `like`, `tones`"),
        ("[us.tones]\nbussy = []", 2, 1, "bussy", "unknown variant `bussy`, expected one of `dial`"),
        ("[[us.caller_id]]\nformat = \"fsk\"\ntiming = \"before_ring\"", 2, 10, "\"fsk\"", "unknown variant `fsk`"),
        ("[us.ringing]\ncadence_ms = [2000, -1]", 2, 21, "-1", "invalid value: integer `-1`, expected u32"),
        ("[us.transfer]\nback = \"R\"", 1, 1, "[us.transfer]", "missing field `complete`"),
        ("[us\n", 1, 4, "", "unclosed table"),
    ] {
        let (l, c, m, message) = fault(text);
        assert_eq!((l, c, m), (line, column, marked), "{text}: {message}");
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn an_error_reads_as_place_and_reason() {
    let e = Facts::with_user_file("[us.tones]\nbusy = [{ notation = \"9\" }]").unwrap_err();
    assert_eq!(e.to_string(), "line 2, column 23: a frequency is 10 to 4000 Hz (or 0 for silence): not `9`");
}

proptest! {
    #[test]
    fn no_text_upsets_the_reader(text in "\\PC{0,80}|(\\[us\\.?[a-z]*\\]\n)?[a-z_]{1,9} = [\\[\\]{}\"0-9a-zäR+/,-]{0,40}") {
        if let Err(e) = Facts::with_user_file(&text) {
            prop_assert!(text.get(e.span.clone()).is_some(), "{e:?}");
            prop_assert!(e.line >= 1 && e.column >= 1);
        }
    }
}
