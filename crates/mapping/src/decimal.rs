//! JSON numbers to exact decimals; a float is never on the way.

use rust_decimal::Decimal;

use crate::fault::FaultCode;

/// Salesforce numbers have at most 18 digits.
const MAX_INTEGER_DIGITS: i64 = 18;
/// What a [`Decimal`] can hold behind the point.
const MAX_SCALE: i64 = 28;

/// Returns the number that a JSON number says, without trailing zeros.
///
/// Exact up to 28 digits in all; decimals beyond are rounded. More than 18 digits before the point are out of range.
pub(crate) fn parse(text: &str) -> Result<Decimal, FaultCode> {
    if text.len() <= 18 && !text.bytes().any(|byte| matches!(byte, b'e' | b'E')) {
        // Short plain numbers always fit.
        return Decimal::from_str_exact(text).map(|number| number.normalize()).map_err(|_| FaultCode::TypeMismatch);
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, saturating_exponent(exponent)),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FaultCode::TypeMismatch);
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Ok(Decimal::ZERO);
    }
    let leading_zeros = digits.len() - digits.trim_start_matches('0').len();
    // Where the point stands, counted from the first significant digit.
    let point = as_i64(integer.len()) - as_i64(leading_zeros) + exponent;
    if point > MAX_INTEGER_DIGITS {
        return Err(FaultCode::NumberOutOfRange);
    }
    if point < -MAX_SCALE {
        return Ok(Decimal::ZERO);
    }
    let number = plain(significant, point).parse::<Decimal>().map_err(|_| FaultCode::NumberOutOfRange)?;
    let number = if negative { -number } else { number };
    Ok(number.normalize())
}

/// Writes digits without exponent; `point` lies between -28 and 18, so at most 28 zeros are added.
fn plain(significant: &str, point: i64) -> String {
    let places = usize::try_from(point.unsigned_abs()).unwrap_or(usize::MAX);
    if point <= 0 {
        return format!("0.{}{significant}", "0".repeat(places));
    }
    match significant.split_at_checked(places) {
        Some((integer, "")) => integer.to_owned(),
        Some((integer, fraction)) => format!("{integer}.{fraction}"),
        None => format!("{significant}{}", "0".repeat(places - significant.len())),
    }
}

fn saturating_exponent(text: &str) -> i64 {
    let magnitude = text.trim_start_matches(['+', '-']).parse::<u32>().map_or(i64::from(u32::MAX), i64::from);
    if text.starts_with('-') { -magnitude } else { magnitude }
}

fn as_i64(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_in_every_form() {
        for (text, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0.0E5", "0"),
            ("500000.0", "500000"),
            ("9.9213206E7", "99213206"),
            ("1.0E15", "1000000000000000"),
            ("1000000000000000.25", "1000000000000000.25"),
            ("123456789012345678", "123456789012345678"),
            ("-1.0", "-1"),
            ("-12.5e-3", "-0.0125"),
            ("1e+2", "100"),
            ("0.1234567890123456789", "0.1234567890123456789"),
            ("99999999", "99999999"),
            ("1e-400", "0"),
            ("1e-99999999999999", "0"),
            ("0.00000000000000000000000000004", "0"),
        ] {
            assert_eq!(parse(text).map(|number| number.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn more_than_eighteen_digits_before_the_point_are_out_of_range() {
        for text in ["1000000000000000000", "1e18", "1e400", "-1.5E300", "1e99999999999999", "9999999999999999999.5"] {
            assert_eq!(parse(text), Err(FaultCode::NumberOutOfRange), "{text}");
        }
    }

    #[test]
    fn decimals_beyond_what_fits_are_rounded() {
        let many = format!("0.{}", "3".repeat(60));
        assert_eq!(parse(&many).unwrap().to_string(), format!("0.{}", "3".repeat(28)));
    }
}
