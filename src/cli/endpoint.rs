//! Where the daemon is and how to show that one may talk to it: flags first, then the configuration that the daemon itself
//! reads. The token is read here and never shown.

use std::{collections::BTreeMap, fs, io, net::SocketAddr, path::Path};

use secrecy::SecretString;

use crate::{
    cli::{
        Shared,
        exit::{CliError, Exit},
    },
    client::Endpoint,
    config::Settings,
};

/// With an address and a token file no configuration is read: the daemon may be anywhere.
pub fn find(shared: &Shared, env: &BTreeMap<String, String>) -> Result<Endpoint, CliError> {
    if let (Some(server), Some(file)) = (&shared.server, &shared.token_file) {
        return Ok(Endpoint::new(server, read_token(file)?)?);
    }
    let http = Settings::load(shared.config.as_deref(), env)?.settings.http;
    let file = shared.token_file.as_ref().unwrap_or(&http.token_file);
    let server = match &shared.server {
        Some(server) => server.clone(),
        None if http.listen.port() == 0 => written_address(file)?,
        None => format!("http://{}", reachable(http.listen)),
    };
    Ok(Endpoint::new(&server, read_token(file)?)?)
}

/// One cannot connect to "every address": a daemon that listens on all of them is also on this machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// A daemon that took a free port has written its address beside its token.
pub fn written_address(token_file: &Path) -> Result<String, CliError> {
    let file = token_file.with_extension("url");
    let missing = |why: &str| {
        let what = format!("the daemon's address cannot be read from {}: {why}", file.display());
        CliError::new(Exit::Unreachable, what)
            .hint("start a daemon with `sluice serve`, or name its address with --server")
    };
    let address = fs::read_to_string(&file).map_err(|error| missing(&error.to_string()))?;
    // An empty file is one that is being written.
    if address.trim().is_empty() { Err(missing("it is empty")) } else { Ok(address.trim().to_owned()) }
}

fn read_token(file: &Path) -> Result<SecretString, CliError> {
    let told = file.display();
    let text = fs::read_to_string(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => CliError::new(
            Exit::Unreachable,
            format!("there is no token file {told}: no daemon was started here"),
        )
        .hint("start one with `sluice serve`, or name the file of another with --token-file"),
        io::ErrorKind::PermissionDenied => {
            CliError::new(Exit::Unauthorised, format!("the token file {told} cannot be read: {error}"))
                .hint("run this as the user that runs the daemon, or name another file with --token-file")
        }
        _ => CliError::new(Exit::Failure, format!("the token file {told} cannot be read: {error}")),
    })?;
    let token = text.trim();
    let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain {
        let what = format!(
            "the token file {told} does not hold a token: one line of printable characters is expected"
        );
        return Err(CliError::new(Exit::Unauthorised, what)
            .hint("delete it and start the daemon again: it writes a new one"));
    }
    Ok(SecretString::from(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_listens_everywhere_is_reached_on_this_machine() {
        for (listen, reached) in [
            ("0.0.0.0:4280", "127.0.0.1:4280"),
            ("[::]:4280", "[::1]:4280"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reached);
        }
    }

    #[test]
    fn a_missing_token_file_means_that_no_daemon_runs_here() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        assert_eq!(read_token(&file).unwrap_err().exit, Exit::Unreachable);
        fs::write(&file, "two words\n").unwrap();
        let error = read_token(&file).unwrap_err();
        assert_eq!(error.exit, Exit::Unauthorised);
        assert!(!error.text(false).contains("two words"));
        fs::write(&file, "abc\n").unwrap();
        assert!(read_token(&file).is_ok());
    }
}
