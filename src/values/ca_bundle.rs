//! Certificates that a registry is trusted by, as PEM text (rule MS-3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use jiff::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::time::Time;

/// At least one certificate, in the order of the text. Whether they are valid now is for others to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaBundle {
    certificates: Vec<CaCertificate>,
}

/// What a rule needs to know of a certificate, and its bytes for those who verify with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaCertificate {
    der: Vec<u8>,
    subject: String,
    not_before: Timestamp,
    not_after: Timestamp,
    is_ca: bool,
}

/// Why a text is no [`CaBundle`]. No variant holds anything of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseCaBundleError {
    /// No PEM block is a certificate's.
    #[error(
        "no PEM certificate, write one from \"-----BEGIN CERTIFICATE-----\" to \"-----END CERTIFICATE-----\""
    )]
    NoCertificate,
    /// The key of a certificate, which anybody who reads the object could take.
    #[error(
        "a private key beside the certificates, leave it out and make a new one, since others may have read it"
    )]
    PrivateKey,
    /// A block cannot be read, so that what its author wants trusted would not be.
    #[error("PEM block {block}, in line {line}, is broken: {fault}")]
    Broken {
        /// Which block, from 1.
        block: usize,
        /// The line in which it begins, from 1.
        line: usize,
        /// What is wrong with it, and the way out.
        fault: PemFault,
    },
}

/// What can be wrong with a PEM block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemFault {
    /// A BEGIN or END with something else in its line.
    #[error("it has lost its line breaks, keep them with \"ca: |\"")]
    LineBreaks,
    /// Another block begins, or the text ends, before it does.
    #[error("it does not end, add its END line")]
    NoEnd,
    /// An END without a BEGIN, or with another label.
    #[error("its END line has no BEGIN line, copy the block anew")]
    NoBegin,
    /// Not base64.
    #[error("it is not base64, copy the block anew")]
    Base64,
    /// Not the DER of an X.509 certificate.
    #[error("it is not an X.509 certificate, copy the block anew")]
    Certificate,
}

impl CaBundle {
    /// Reads the certificates of a PEM text. Blocks that are neither certificates nor private keys, and text between
    /// blocks, are passed over.
    pub fn parse(text: &str) -> Result<Self, ParseCaBundleError> {
        if text.contains("PRIVATE KEY-----") {
            return Err(ParseCaBundleError::PrivateKey);
        }
        let mut certificates = Vec::new();
        for (place, block) in blocks(text).into_iter().enumerate() {
            let certificate = block.body.and_then(|body| match block.label {
                "CERTIFICATE" | "X509 CERTIFICATE" => CaCertificate::read(&body).map(Some),
                _ => Ok(None),
            });
            match certificate {
                Ok(certificate) => certificates.extend(certificate),
                Err(fault) => {
                    return Err(ParseCaBundleError::Broken {
                        block: place + 1,
                        line: block.line,
                        fault,
                    });
                }
            }
        }
        if certificates.is_empty() {
            Err(ParseCaBundleError::NoCertificate)
        } else {
            Ok(Self { certificates })
        }
    }

    /// The certificates, in the order of the text; never none.
    pub fn certificates(&self) -> &[CaCertificate] {
        &self.certificates
    }
}

impl CaCertificate {
    fn read(body: &str) -> Result<Self, PemFault> {
        let der = STANDARD_PAD_INDIFFERENT
            .decode(body)
            .map_err(|_| PemFault::Base64)?;
        let read = || {
            let certificate = Certificate::from_der(&der).ok()?;
            let certificate = certificate.tbs_certificate();
            let constraints = certificate.get_extension::<BasicConstraints>().ok()?;
            let validity = certificate.validity();
            Some((
                certificate.subject().to_string(),
                timestamp(validity.not_before)?,
                timestamp(validity.not_after)?,
                constraints.is_some_and(|(_, constraints)| constraints.ca),
            ))
        };
        let (subject, not_before, not_after, is_ca) = read().ok_or(PemFault::Certificate)?;
        Ok(Self {
            der,
            subject,
            not_before,
            not_after,
            is_ca,
        })
    }

    /// The certificate itself, for a verifier.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whom it names, by RFC 4514: `CN=registry,O=Example`. May be empty.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// When it begins to be valid.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last second in which it is valid.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether its basic constraints say that it may sign others.
    pub const fn is_ca(&self) -> bool {
        self.is_ca
    }
}

fn timestamp(time: Time) -> Option<Timestamp> {
    Timestamp::from_second(time.to_unix_duration().as_secs().try_into().ok()?).ok()
}

/// A PEM block: its label, and its body without line breaks if it has one.
struct Block<'a> {
    label: &'a str,
    line: usize,
    body: Result<String, PemFault>,
}

/// Finds the PEM blocks of a text, the broken ones too. The parsers at hand skip what is broken or stop there; here
/// each must be told by its place.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (place, line) in text.lines().enumerate() {
        let line_number = place + 1;
        let broken = |fault| Block {
            label: "",
            line: line_number,
            body: Err(fault),
        };
        match marker(line.trim()) {
            Marker::None => {
                if let Some(Block { body: Ok(body), .. }) = &mut open {
                    body.extend(line.chars().filter(|c| !c.is_whitespace()));
                }
            }
            Marker::Begin(label) => {
                let block = Block {
                    label,
                    line: line_number,
                    body: Ok(String::new()),
                };
                found.extend(open.replace(block).map(without_end));
            }
            Marker::End(label) => match open.take() {
                Some(block) if block.label == label => found.push(block),
                Some(block) => found.push(without_end(block)),
                None => found.push(broken(PemFault::NoBegin)),
            },
            Marker::Crowded => {
                found.extend(open.take().map(without_end));
                found.push(broken(PemFault::LineBreaks));
            }
        }
    }
    found.extend(open.map(without_end));
    found
}

fn without_end(block: Block<'_>) -> Block<'_> {
    Block {
        body: Err(PemFault::NoEnd),
        ..block
    }
}

enum Marker<'a> {
    None,
    Begin(&'a str),
    End(&'a str),
    /// A marker with something beside it.
    Crowded,
}

fn marker(line: &str) -> Marker<'_> {
    let label = |start| {
        line.strip_prefix(start)?
            .strip_suffix("-----")
            .filter(|label: &&str| !label.contains("-----"))
    };
    if let Some(label) = label("-----BEGIN ") {
        Marker::Begin(label)
    } else if let Some(label) = label("-----END ") {
        Marker::End(label)
    } else if line.contains("-----BEGIN ") || line.contains("-----END ") {
        Marker::Crowded
    } else {
        Marker::None
    }
}

#[cfg(test)]
mod tests;
