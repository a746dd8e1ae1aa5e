//! Requests and answers as the proxy reads them, whole, and writes them.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// `None` when the connection ends without one.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        };
        let mut body = bytes.split_off(head);
        let text = String::from_utf8(bytes).unwrap();
        let (first, headers) = head_of(&text);
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap());
        // A forwarding proxy is told the whole URL.
        let target = match target
            .strip_prefix("http://")
            .and_then(|rest| rest.find('/').map(|at| &rest[at..]))
        {
            Some(path) => path,
            None => target,
        };
        let target = target.to_owned();
        let request = Self {
            method,
            target,
            headers,
            body: Vec::new(),
        };
        let length: usize = request
            .header("content-length")
            .map_or(0, |value| value.parse().unwrap());
        while body.len() < length {
            if stream.read_buf(&mut body).await? == 0 {
                return Ok(None);
            }
        }
        Ok(Some(Self { body, ..request }))
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    }

    pub(super) async fn pass_on(&self, upstream: SocketAddr) -> io::Result<Answer> {
        let mut head = format!("{} {} HTTP/1.0\r\n", self.method, self.target);
        for (name, value) in self
            .headers
            .iter()
            .filter(|(name, _)| !name.starts_with("proxy-"))
        {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect(upstream).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&self.body).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let body = bytes.split_off(at);
        let text = String::from_utf8(bytes).unwrap();
        let (first, headers) = head_of(&text);
        Ok(Answer {
            status: first.split(' ').nth(1).unwrap().parse().unwrap(),
            headers,
            body,
        })
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.headers.retain(|(key, _)| key != name);
        if !value.is_empty() {
            self.headers.push((name.to_owned(), value));
        }
    }

    pub(super) fn head(&self) -> String {
        let lines = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        format!(
            "HTTP/1.1 {} Told\r\n{}\r\n",
            self.status,
            lines.collect::<String>()
        )
    }
}

/// The first line, and the headers, whose names are in lower case.
fn head_of(text: &str) -> (&str, Vec<(String, String)>) {
    let mut lines = text.lines();
    let first = lines.next().unwrap();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    (first, headers.collect())
}
