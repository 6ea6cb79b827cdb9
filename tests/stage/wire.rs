//! HTTP for tests: one exchange over one connection. It shares nothing with the clients under test.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Nobody takes longer unless something is wrong.
const PATIENCE: Duration = Duration::from_mins(1);

/// Status and body; None when nobody answers at the address.
pub fn exchange(
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<(u16, String)> {
    let address = base.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // HTTP/1.0: the answer ends with the connection.
    let mut head = format!(
        "{method} {path} HTTP/1.0\r\nhost: {address}\r\nuser-agent: stage\r\ncontent-length: {}\r\n",
        body.len()
    );
    let fields: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    head.push_str(&fields.concat());
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
