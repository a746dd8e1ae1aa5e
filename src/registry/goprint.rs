//! Prints JSON as Go's `%v` prints what it decodes it to. People grep for a registry's words as Go programs tell them
//! (rule REG-4), and an error's detail is any JSON value.

use std::fmt::{self, Write};

use serde_json::Value;

/// A JSON value that displays itself as Go's `fmt` does: `map[Tag:stable]`, `[a b]`, `<nil>`, `1e+06`.
pub(super) struct GoPrint<'a>(pub(super) &'a Value);

impl fmt::Display for GoPrint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("<nil>"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(number) => float(f, number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => f.write_str(text),
            Value::Array(items) => {
                f.write_char('[')?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_char(' ')?;
                    }
                    write!(f, "{}", GoPrint(item))?;
                }
                f.write_char(']')
            }
            Value::Object(map) => {
                // Go sorts the keys; serde_json's map may or may not, by a feature that any crate can turn on.
                let mut keys: Vec<_> = map.iter().collect();
                keys.sort_by(|a, b| a.0.cmp(b.0));
                f.write_str("map[")?;
                for (i, (key, value)) in keys.into_iter().enumerate() {
                    if i > 0 {
                        f.write_char(' ')?;
                    }
                    write!(f, "{key}:{}", GoPrint(value))?;
                }
                f.write_char(']')
            }
        }
    }
}

/// Go decodes every JSON number to a float64 and prints it with `%g`: the shortest digits, as a power of ten where
/// the exponent is below -4 or above 5.
fn float(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return f.write_str(&scientific);
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return write!(f, "{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    write!(f, "{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Left: JSON; right: what `fmt.Sprintf("%v", v)` gave for it after `json.Unmarshal`, go 1.26.
    const GO: &[(&str, &str)] = &[
        (r#"{"Tag":"stable"}"#, "map[Tag:stable]"),
        (r#"{"b":1,"a":[1,"x",null,true]}"#, "map[a:[1 x <nil> true] b:1]"),
        ("1000000", "1e+06"),
        ("123456", "123456"),
        ("1234567", "1.234567e+06"),
        ("21", "21"),
        ("1.5", "1.5"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("1e21", "1e+21"),
        ("-0", "-0"),
        ("100000000000000000000", "1e+20"),
        (r#"{"a":{"c":{}}}"#, "map[a:map[c:map[]]]"),
        ("[]", "[]"),
        (r#""""#, ""),
        (r#""t x""#, "t x"),
        (
            r#"[{"Type":"repository","Class":"","Name":"a/b","Action":"pull"}]"#,
            "[map[Action:pull Class: Name:a/b Type:repository]]",
        ),
        ("0.1", "0.1"),
        ("12345678.9", "1.23456789e+07"),
        ("1e-7", "1e-07"),
        ("5e-324", "5e-324"),
        ("false", "false"),
    ];

    #[test]
    fn prints_json_as_go_does() {
        for (json, expected) in GO {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(GoPrint(&value).to_string(), *expected, "{json}");
        }
    }
}
