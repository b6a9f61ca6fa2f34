//! Service codes for forwarding, as far as an exchange must know them to answer: North America's `*72`, and the set of
//! 3GPP TS 22.030 that ETSI networks use on fixed lines too.
//!
//! ```text
//!  *72 ── second dial tone ── number   on, all calls     *73   off       (*90, *91 busy; *92, *93 no answer)
//!  *21*number#, **21*number#           register          *21# on again   #21# off   ##21# erase   *#21# asks
//!   21 all calls · 67 busy · 61 no answer (number*11*seconds or number**seconds) · 62 unreachable
//! ```
//!
//! Other countries' codes are not known here: digits that begin with `*` or `#` are waited for, and lead nowhere.

use super::exchange::{Exchange, Leg, Progress, Timer};
use super::plan::{self, Verdict};
use super::programme;
use crate::clock::Time;
use crate::event::ToneKind;
use crate::facts::Country;

/// When calls go elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    Busy,
    NoAnswer,
    Unreachable,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// To this number; without one, to the number of the last time.
    On(When, Option<String>),
    Off(When),
    /// Off, and the number forgotten.
    Erase(When),
    Ask(When),
}

/// What the digits so far come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// No code of this country.
    None,
    More,
    /// A second dial tone invites to dial the number.
    Number,
    Complete(Request),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    NorthAmerican,
    Etsi,
}

impl Codes {
    /// Those of a country, if they are known.
    pub fn of(country: &Country) -> Option<Codes> {
        match country.code.as_str() {
            "us" | "ca" => Some(Codes::NorthAmerican),
            _ if country.transfer.back == "R1" => Some(Codes::Etsi),
            _ => None,
        }
    }

    /// `is_number`: whether these digits are a whole number of the plan.
    pub fn judge(self, digits: &str, is_number: impl Fn(&str) -> bool) -> Code {
        match self {
            Codes::NorthAmerican => north_american(digits, is_number),
            Codes::Etsi => etsi(digits),
        }
    }
}

fn north_american(digits: &str, is_number: impl Fn(&str) -> bool) -> Code {
    use When::*;
    let Some(rest) = digits.strip_prefix('*') else { return Code::None };
    let (Some(code), Some(number)) = (rest.get(..2), rest.get(2..)) else { return Code::More };
    let when = match code {
        "72" | "73" => Always,
        "90" | "91" => Busy,
        "92" | "93" => NoAnswer,
        _ => return Code::None,
    };
    match code {
        "73" | "91" | "93" => Code::Complete(Request::Off(when)),
        _ if number.is_empty() => Code::Number,
        _ if is_number(number) => Code::Complete(Request::On(when, Some(number.to_string()))),
        _ => Code::More,
    }
}

fn etsi(digits: &str) -> Code {
    let Some(body) = digits.strip_suffix('#') else {
        return if digits.starts_with(['*', '#']) { Code::More } else { Code::None };
    };
    if !digits.starts_with(['*', '#']) {
        return Code::None;
    }
    // `#` and `*#` on their way to something longer
    if matches!(body, "" | "*" | "#") {
        return Code::More;
    }
    let (action, rest) = ["##", "**", "*#", "#", "*"]
        .into_iter()
        .find_map(|a| body.strip_prefix(a).map(|rest| (a, rest)))
        .unwrap_or_default();
    let mut parts = rest.split('*');
    let when = match parts.next() {
        Some("21") => When::Always,
        Some("67") => When::Busy,
        Some("61") => When::NoAnswer,
        Some("62") => When::Unreachable,
        _ => return Code::None,
    };
    let number = parts.next().filter(|n| !n.is_empty()).map(str::to_string);
    Code::Complete(match action {
        "*#" => Request::Ask(when),
        "#" => Request::Off(when),
        "##" => Request::Erase(when),
        "**" if number.is_none() => return Code::None,
        _ => Request::On(when, number),
    })
}

/// What is set on the line: to which number, and whether it is on.
#[derive(Clone, Debug, Default)]
pub struct Forwarding(Vec<(When, String, bool)>);

impl Forwarding {
    /// Whether the network does what is asked, or for a question whether the answer is yes.
    pub fn apply(&mut self, request: &Request) -> bool {
        let at = |when: &When| self.0.iter().position(|(w, ..)| w == when);
        match request {
            Request::On(when, Some(number)) => {
                self.0.retain(|(w, ..)| w != when);
                self.0.push((*when, number.clone(), true));
                true
            }
            Request::On(when, None) => at(when).map(|i| self.0[i].2 = true).is_some(),
            Request::Off(when) => {
                at(when).into_iter().for_each(|i| self.0[i].2 = false);
                true
            }
            Request::Erase(when) => {
                self.0.retain(|(w, ..)| w != when);
                true
            }
            Request::Ask(when) => self.to(*when).is_some(),
        }
    }

    /// Where such calls go.
    pub fn to(&self, when: When) -> Option<&str> {
        self.0.iter().find(|(w, _, on)| *w == when && *on).map(|(_, to, _)| to.as_str())
    }

    pub fn is_on(&self) -> bool {
        self.0.iter().any(|(.., on)| *on)
    }
}

impl Exchange {
    /// Whether the digits are a service code, or may become one.
    pub(super) fn service_code(&mut self, now: Time, digits: &str) -> bool {
        let Some(codes) = self.class.codes.filter(|_| digits.starts_with(['*', '#'])) else { return false };
        let whole = |n: &str| plan::judge(n, self.sets.iter().map(|s| s.party.number.as_str())) != Verdict::More;
        match codes.judge(digits, whole) {
            Code::None => return false,
            Code::More => self.timers.set(Timer::InterDigit, now + self.class.inter_digit),
            Code::Number if self.class.forwarding => {
                self.timers.set(Timer::InterDigit, now + self.class.first_digit);
                self.play(now, programme::one(ToneKind::SecondDial));
            }
            Code::Number => self.answer_code(now, None),
            Code::Complete(request) => self.answer_code(now, Some(request)),
        }
        true
    }

    fn answer_code(&mut self, now: Time, request: Option<Request>) {
        self.detach_register();
        self.player.stop();
        self.active = Some(Leg { party: None, progress: Progress::Failed, next: Time::NEVER });
        let Some(request) = request.filter(|_| self.class.forwarding) else {
            self.tell(now, "offers no forwarding");
            self.play(now, programme::intercept(self.class.sit, &self.class.lock_out));
            return;
        };
        let done = !self.faults.codes_refused && self.forwarding.apply(&request);
        self.tell(now, if done { "does what the code says" } else { "does not do what the code says" });
        let known = self.country.tone(ToneKind::Confirmation).is_some();
        let answer = match done {
            false => self.refused(ToneKind::Congestion),
            true if self.faults.no_confirmation => return,
            // where the tables know no tone the network speaks
            true if self.faults.confirmation_announcement || !known => programme::spoken(),
            true => programme::one(ToneKind::Confirmation),
        };
        self.play(now, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn north_american_codes_take_a_number_after_a_second_dial_tone() {
        let judge = |d: &str| Codes::NorthAmerican.judge(d, |n| n.len() == 7);
        assert_eq!(judge("*7"), Code::More);
        assert_eq!(judge("*72"), Code::Number);
        assert_eq!(judge("*72555"), Code::More);
        assert_eq!(judge("*725550100"), Code::Complete(Request::On(When::Always, Some("5550100".into()))));
        assert_eq!(judge("*73"), Code::Complete(Request::Off(When::Always)));
        assert_eq!(judge("*99"), Code::None);
        assert_eq!(judge("5550100"), Code::None);
    }

    #[test]
    fn etsi_codes_end_with_a_hash_and_begin_with_what_is_to_be_done() {
        use Request::*;
        let judge = |d: &str| Codes::Etsi.judge(d, |_| false);
        let on = |n: Option<&str>| Code::Complete(On(When::Always, n.map(str::to_string)));
        for (digits, code) in [
            ("*21*5550100", Code::More),
            ("*21*5550100#", on(Some("5550100"))),
            ("**21*5550100#", on(Some("5550100"))),
            ("*21#", on(None)),
            ("#21#", Code::Complete(Off(When::Always))),
            ("##21#", Code::Complete(Erase(When::Always))),
            ("*#21#", Code::Complete(Ask(When::Always))),
            ("**61*5550100**20#", Code::Complete(On(When::NoAnswer, Some("5550100".into())))),
            ("*67*1#", Code::Complete(On(When::Busy, Some("1".into())))),
            ("*#", Code::More),
            ("##", Code::More),
            ("#", Code::More),
            ("*", Code::More),
            ("**21#", Code::None),
            ("*99#", Code::None),
            ("21#", Code::None),
        ] {
            assert_eq!(judge(digits), code, "{digits}");
        }
    }

    #[test]
    fn what_was_set_can_be_asked_switched_and_erased() {
        let mut f = Forwarding::default();
        assert!(!f.apply(&Request::On(When::Always, None)), "there is no number of a last time");
        assert!(f.apply(&Request::On(When::Always, Some("1".into()))));
        assert_eq!(f.to(When::Always), Some("1"));
        assert!(f.apply(&Request::Off(When::Always)) && !f.is_on());
        assert!(!f.apply(&Request::Ask(When::Always)));
        assert!(f.apply(&Request::On(When::Always, None)) && f.apply(&Request::Ask(When::Always)));
        f.apply(&Request::Erase(When::Always));
        assert!(!f.apply(&Request::On(When::Always, None)));
    }
}
