//! Reads what a person names on the command line: a request's file or a list of repositories. The daemon judges what is in it.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use crate::cli::{
    client::Body,
    exit::{CliError, Exit},
};

/// The daemon takes no more; a wrong file should not be read for minutes first.
const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What was read.
pub struct Input {
    name: String,
    pub bytes: Vec<u8>,
}

impl Input {
    /// JSON by its name or by how it begins, else TOML.
    pub fn body(&self) -> Body<'_> {
        let begins = self.bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        let json_name = Path::new(&self.name).extension().is_some_and(|ext| ext.eq_ignore_ascii_case("json"));
        if json_name || begins == Some(&b'{') {
            Body::JsonFile { name: &self.name, bytes: self.bytes.clone() }
        } else {
            Body::Toml { name: &self.name, bytes: self.bytes.clone() }
        }
    }

    /// The lines, with their numbers from 1; without comments and empty ones.
    pub fn entries(&self) -> Result<Vec<String>, CliError> {
        let text = std::str::from_utf8(&self.bytes).map_err(|error| {
            let before = self.bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.split(|byte| *byte == b'\n').count();
            CliError::new(Exit::Refused, format!("{}:{line}: the file is not UTF-8", self.name))
                .hint("save it as UTF-8")
        })?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        Ok(lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }
}

/// `-` is standard input.
pub fn read(path: &Path) -> Result<Input, CliError> {
    let (name, read) = if path == Path::new("-") {
        ("standard input".to_owned(), read_some(io::stdin().lock()))
    } else {
        (path.display().to_string(), fs::File::open(path).and_then(read_some))
    };
    let bytes = read.map_err(|error| {
        CliError::new(Exit::Refused, format!("{name} cannot be read: {error}"))
            .hint("check the path and who may read it")
    })?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(CliError::new(Exit::Refused, format!("{name} is larger than 8 MiB"))
            .hint("split it into several requests"));
    }
    Ok(Input { name, bytes })
}

fn read_some(source: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, bytes: &[u8]) -> Input {
        Input { name: name.to_owned(), bytes: bytes.to_vec() }
    }

    #[test]
    fn json_is_known_by_name_or_beginning() {
        assert!(matches!(input("x.json", b"[").body(), Body::JsonFile { name: "x.json", .. }));
        assert!(matches!(input("standard input", b"\n {}").body(), Body::JsonFile { .. }));
        assert!(matches!(input("x.toml", b"template = 1").body(), Body::Toml { name: "x.toml", .. }));
    }

    #[test]
    fn a_list_may_have_comments_and_its_bad_bytes_are_found_by_line() {
        let list = input("list", b"# all\nacme/api # the one\n\n acme/web\r\n");
        assert_eq!(list.entries().unwrap(), ["acme/api", "acme/web"]);
        let error = input("list", b"acme/api\nacme/\xff\n").entries().unwrap_err();
        assert_eq!((error.exit, error.what.starts_with("list:2: ")), (Exit::Refused, true));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read(Path::new("/nowhere/request.toml")).err().unwrap();
        assert!(error.exit == Exit::Refused && error.what.contains("/nowhere/request.toml"));
    }
}
