//! Counts of contacts in fixed point.

use std::fmt;

use thiserror::Error;

use crate::time::fixed;

/// A count of contacts with six decimal places, exact under addition.
///
/// Most counts are whole; sources that share a contact between queues deliver decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Quantity(i64);

/// Why a text is no [`Quantity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// Not a whole number or a decimal with a point.
    #[error("not a number: expected digits, with a decimal point at most")]
    Syntax,
    /// Below zero.
    #[error("negative: a count cannot be below zero")]
    Negative,
    /// Above [`Quantity::MAX`].
    #[error("too large: a count cannot be above 1,000,000,000")]
    TooLarge,
}

impl Quantity {
    /// None.
    pub const ZERO: Self = Self(0);
    /// One contact.
    pub const ONE: Self = Self(1_000_000);
    /// The largest count that a single row may carry.
    pub const MAX: Self = Self(1_000_000_000 * Self::ONE.0);

    /// So many whole contacts.
    pub const fn whole(count: i64) -> Self {
        Self(count.saturating_mul(Self::ONE.0))
    }

    /// So many millionths of a contact.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The number of millionths.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whether there is none.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum; stops at the largest value instead of wrapping, which keeps sums independent of their order.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Reads a whole number or a decimal with a point; a seventh decimal place and more are rounded to the nearest.
    ///
    /// # Errors
    ///
    /// [`QuantityError`] for anything else, and for values below zero or above [`MAX`](Self::MAX).
    pub fn parse(text: &[u8]) -> Result<Self, QuantityError> {
        if let [digit @ b'0'..=b'9'] = text {
            return Ok(Self::whole(i64::from(digit - b'0')));
        }
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (mut micros, mut decimals, mut any, mut round) = (0_i64, None::<u32>, false, false);
        let mut too_large = false;
        for &byte in digits {
            match (byte, decimals) {
                (b'0'..=b'9', None) => {
                    any = true;
                    micros = micros * 10 + i64::from(byte - b'0');
                    too_large |= micros > Self::MAX.0 / Self::ONE.0;
                    micros = micros.min(Self::MAX.0);
                }
                (b'0'..=b'9', Some(places)) => {
                    any = true;
                    if places < 6 {
                        micros = micros * 10 + i64::from(byte - b'0');
                    } else if places == 6 {
                        round = byte >= b'5';
                    }
                    decimals = Some(places.saturating_add(1));
                }
                (b'.', None) => {
                    decimals = Some(0);
                    micros = micros.min(Self::MAX.0 / Self::ONE.0);
                }
                _ => return Err(QuantityError::Syntax),
            }
        }
        if !any {
            return Err(QuantityError::Syntax);
        }
        let places = decimals.unwrap_or(0).min(6);
        micros = micros.min(Self::MAX.0).saturating_mul(10_i64.pow(6 - places)).saturating_add(i64::from(round));
        if too_large || micros > Self::MAX.0 {
            return Err(QuantityError::TooLarge);
        }
        if negative && micros > 0 {
            return Err(QuantityError::Negative);
        }
        Ok(Self(micros))
    }
}

impl From<u32> for Quantity {
    fn from(count: u32) -> Self {
        Self::whole(i64::from(count))
    }
}

/// Without trailing zeros: `14`, `0.5`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&fixed(self.0, 6))
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_as_they_were_written() {
        for (text, printed) in [
            ("0", "0"),
            ("15", "15"),
            ("007", "7"),
            ("+3", "3"),
            ("0.5", "0.5"),
            (".25", "0.25"),
            ("2.", "2"),
            ("1.500000", "1.5"),
            ("0.1234564", "0.123456"),
            ("0.1234565", "0.123457"),
            ("0.9999999", "1"),
            ("-0", "0"),
            ("1000000000", "1000000000"),
            ("1000000000.000000", "1000000000"),
        ] {
            assert_eq!(Quantity::parse(text.as_bytes()).map(|q| q.to_string()), Ok(printed.to_owned()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        use QuantityError::{Negative, Syntax, TooLarge};
        for (text, error) in [
            ("", Syntax),
            (".", Syntax),
            ("-", Syntax),
            ("1,5", Syntax),
            ("1e3", Syntax),
            ("1.2.3", Syntax),
            (" 1", Syntax),
            ("-1", Negative),
            ("-0.000001", Negative),
            ("1000000001", TooLarge),
            ("1000000000.5", TooLarge),
            ("99999999999999999999999999999999", TooLarge),
            ("99999999999999999999999999999999.9999999999", TooLarge),
            ("-99999999999999999999999999999999", TooLarge),
        ] {
            assert_eq!(Quantity::parse(text.as_bytes()), Err(error), "{text}");
        }
    }
}
