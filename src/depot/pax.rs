//! PAX extended headers: `<length> <key>=<value>\n`, by their lengths, since values may hold line breaks.

/// What a PAX header says that this program listens to. Times, owners and attributes are left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) linkpath: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

impl Pax {
    /// Reads the records of one header; the error is a reason for a refusal.
    pub(super) fn parse(mut rest: &[u8]) -> Result<Self, String> {
        let mut pax = Self::default();
        while !rest.is_empty() {
            let (key, value);
            (key, value, rest) = record(rest).ok_or("has a malformed PAX header")?;
            let twice = || format!("says \"{}\" twice in its PAX header", super::error::shown(key));
            match key {
                b"path" if pax.path.is_some() => return Err(twice()),
                b"path" => pax.path = Some(value.to_vec()),
                b"linkpath" if pax.linkpath.is_some() => return Err(twice()),
                b"linkpath" => pax.linkpath = Some(value.to_vec()),
                b"size" if pax.size.is_some() => return Err(twice()),
                b"size" => {
                    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    pax.size = Some(number.ok_or("has an unreadable size in its PAX header")?);
                }
                key if key.starts_with(b"GNU.sparse.") => return Err("is a sparse file".to_owned()),
                _ => {}
            }
        }
        Ok(pax)
    }

    /// Whether it says nothing that this program listens to.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Key, value and what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let body = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|&byte| byte == b'=')?;
    Some((&body[..equals], &body[equals + 1..], &bytes[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_values_with_line_breaks_and_passes_over_the_rest() {
        let pax = Pax::parse(b"20 SCHILY.xattr.a=\n\n12 path=a/b\n11 size=42\n").unwrap();
        assert_eq!(
            pax,
            Pax {
                path: Some(b"a/b".to_vec()),
                linkpath: None,
                size: Some(42)
            }
        );
        assert!(Pax::parse(b"").unwrap().is_empty());
    }

    #[test]
    fn rejects_lengths_that_lie() {
        for bad in [
            &b"12 path=a/b"[..],
            b"99 path=a/b\n",
            b"0 path=a\n",
            b"3 path=a\n",
            b"-5 path=a\n",
            b"18446744073709551615 path=a\n",
            b"x path=a\n",
            b"7 path\n",
            b"12 path=a/b\n9 path=x\n",
            b"12 size=0x10\n",
            b"22 GNU.sparse.major=1\n",
        ] {
            assert!(Pax::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
