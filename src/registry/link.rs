//! `Link: </v2/…?n=100&last=x>; rel="next"`: where a listing goes on (RFC 8288).

use http::HeaderMap;
use http::header::LINK;
use url::Url;

use super::call::same_origin;

/// The next page of a listing, if there is one. It must be the same listing of the same host; a scheme that a proxy
/// got wrong is set right.
pub(super) fn next(headers: &HeaderMap, current: &Url) -> Result<Option<Url>, String> {
    for value in headers.get_all(LINK) {
        let Ok(text) = value.to_str() else { continue };
        // Each link runs from its `<` to the next; neither an address nor a parameter of ours holds one.
        for link in text.split('<').skip(1) {
            let Some((target, parameters)) = link.split_once('>') else {
                continue;
            };
            if !is_next(parameters) {
                continue;
            }
            let mut url = current
                .join(target)
                .map_err(|_| format!("the next page \"{target}\" is no address"))?;
            let web = matches!(url.scheme(), "http" | "https");
            if web && url.host_str() == current.host_str() && url.port() == current.port() {
                let _ = url.set_scheme(current.scheme());
            }
            if !same_origin(&url, current) || url.path() != current.path() {
                return Err(format!("the next page \"{target}\" belongs to another listing"));
            }
            return Ok(Some(url));
        }
    }
    Ok(None)
}

/// `; rel="next"`, among other parameters, in any case, quoted or not.
fn is_next(parameters: &str) -> bool {
    parameters.split([';', ',']).any(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else {
            return false;
        };
        name.trim().eq_ignore_ascii_case("rel")
            && value
                .trim()
                .trim_matches('"')
                .split_ascii_whitespace()
                .any(|rel| rel.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const LISTING: &str = "https://registry.example.com/v2/m/tags/list";

    fn read(lines: &[&str]) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(LINK, HeaderValue::from_str(line).unwrap());
        }
        let current = Url::parse(&format!("{LISTING}?n=2")).unwrap();
        next(&headers, &current).map(|url| url.map(|url| url.to_string()))
    }

    #[test]
    fn finds_the_next_page() {
        let page = format!("{LISTING}?n=2&last=b");
        let cases: &[&[&str]] = &[
            &[r#"</v2/m/tags/list?n=2&last=b>; rel="next""#],
            &["</v2/m/tags/list?n=2&last=b>;rel=next"],
            &["</a,b>; rel=prev , </v2/m/tags/list?n=2&last=b>;rel=next, </c>; rel=last"],
            &[r#"<?n=2&last=b>; title="x"; REL="last NEXT""#],
            &[r#"<https://registry.example.com/v2/m/tags/list?n=2&last=b>; rel="next""#],
            &[r#"<http://registry.example.com/v2/m/tags/list?n=2&last=b>; rel="next""#],
            &[r#"</a>; rel="prev", </v2/m/tags/list?n=2&last=b>; rel="next""#],
            &[
                r#"</a>; rel="prev""#,
                r#"</v2/m/tags/list?n=2&last=b>; rel="next""#,
            ],
        ];
        for lines in cases {
            assert_eq!(read(lines), Ok(Some(page.clone())), "{lines:?}");
        }
        let none: &[&[&str]] = &[
            &[],
            &[""],
            &["</a>; rel=prev"],
            &["</a>"],
            &["</a; rel=next"],
            &["rel=next"],
        ];
        for lines in none {
            assert_eq!(read(lines), Ok(None), "{lines:?}");
        }
    }

    #[test]
    fn does_not_leave_the_listing() {
        for line in [
            "<https://other.example.com/v2/m/tags/list?n=2>; rel=next",
            "<//other.example.com/v2/m/tags/list>; rel=next",
            "<https://registry.example.com:8443/v2/m/tags/list>; rel=next",
            "</v2/other/tags/list>; rel=next",
            "<ftp://registry.example.com/v2/m/tags/list>; rel=next",
        ] {
            read(&[line]).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn survives_any_header(line in "[ -~]{0,200}") {
            let _ = read(&[&line]);
        }
    }
}
