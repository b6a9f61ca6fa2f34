//! The number plan: seven digits, the numbers of everybody there is, and nothing else.
//!
//! Service codes (`*72`, `*21*…#`) belong to nobody here: those that are known are `codes.rs`'s.

/// What a register makes of the digits so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may become a number.
    More,
    /// It is somebody's number, and no longer number begins with it.
    Complete,
    /// It is complete, and nobody's.
    Nobody,
}

/// Digits of a number that is nobody's in particular.
const DIGITS: usize = 7;

pub fn judge<'a>(digits: &str, numbers: impl Iterator<Item = &'a str>) -> Verdict {
    let (mut exact, mut longer) = (false, false);
    for n in numbers {
        exact |= n == digits;
        longer |= n.len() > digits.len() && n.starts_with(digits);
    }
    match (exact, longer) {
        (_, true) => Verdict::More,
        (true, false) => Verdict::Complete,
        (false, false) if digits.starts_with(['*', '#']) => Verdict::More,
        (false, false) if digits.len() >= DIGITS => Verdict::Nobody,
        (false, false) => Verdict::More,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_complete_when_no_longer_one_begins_with_it() {
        let numbers = ["5550100", "555", "20"];
        let judge = |d| judge(d, numbers.into_iter());
        assert_eq!(judge("5"), Verdict::More);
        assert_eq!(judge("555"), Verdict::More);
        assert_eq!(judge("5550100"), Verdict::Complete);
        assert_eq!(judge("20"), Verdict::Complete);
        assert_eq!(judge("5559999"), Verdict::Nobody);
        assert_eq!(judge("444"), Verdict::More);
        assert_eq!(judge("*725550100"), Verdict::More);
    }
}
