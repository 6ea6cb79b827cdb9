//! Where the daemon is and how to show that one may talk to it: flags first, then the configuration that the daemon itself
//! reads. The token is read here and never shown.

use std::{collections::BTreeMap, fs, io, net::SocketAddr, path::Path};

use reqwest::Certificate;
use secrecy::SecretString;

use crate::{
    cli::{
        Shared,
        exit::{CliError, Exit},
    },
    client::Endpoint,
    config::{ConfigError, Settings, endpoint::Http},
};

/// With an address and a token file no configuration is read: the daemon may be anywhere.
pub fn find(shared: &Shared, env: &BTreeMap<String, String>) -> Result<Endpoint, CliError> {
    let (server, file) = match (&shared.server, &shared.token_file) {
        (Some(server), Some(file)) => (server.clone(), file.clone()),
        (server, file) => {
            let http = Settings::load(shared.config.as_deref(), env).map_err(unconfigured)?.settings.http;
            let file = file.clone().unwrap_or_else(|| http.token_file.clone());
            let server = match server {
                Some(server) => server.clone(),
                None => configured(&http, &file)?,
            };
            (server, file)
        }
    };
    let mut endpoint = Endpoint::new(&server, "")?;
    endpoint.token = read_token(&file)?;
    endpoint.trusted = shared.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
    Ok(endpoint)
}

/// What is wrong in the file may be nothing that this command needs.
fn unconfigured(error: ConfigError) -> CliError {
    CliError::from(error).hint(
        "correct it, then look with `sluice config check`; with --server and --token-file no configuration is needed",
    )
}

/// Where the configuration says that the daemon is.
fn configured(http: &Http, token_file: &Path) -> Result<String, CliError> {
    if let Some(url) = &http.url {
        return Ok(url.clone());
    }
    if http.listen.port() == 0 {
        return written_address(token_file);
    }
    let scheme = if http.tls_certificate.is_some() { "https" } else { "http" };
    Ok(format!("{scheme}://{}", reachable(http.listen)))
}

/// What is trusted besides the system's own.
fn certificates(file: &Path) -> Result<Vec<Certificate>, CliError> {
    let wrong = |why: String| {
        CliError::new(Exit::Usage, format!("{} cannot be used: {why}", file.display()))
            .hint("name a file of certificates in PEM with --ca-file")
    };
    let text = fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&text).map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("it holds no certificate in PEM".to_owned()));
    }
    Ok(certificates)
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
