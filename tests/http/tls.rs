//! TLS with a real handshake: a certificate that is replaced is taken up, one that cannot be used is not.

use std::{fs, path::Path, sync::Arc, time::Duration};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use sluicegate::http::{Door, TlsFiles, serve};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, net::TcpListener};
use tokio_util::sync::CancellationToken;

use crate::house::{House, TOKEN};

/// Writes a new certificate with its key; gives the certificate.
fn renew(folder: &Path) -> Vec<u8> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("certificate.pem"), cert.pem()).unwrap();
    cert.pem().into_bytes()
}

/// The same with the years in which two certificates end: the own one, and the one that has signed it as far as anybody looks.
fn renew_until(folder: &Path, years: [i32; 2]) {
    let key = rcgen::KeyPair::generate().unwrap();
    let pems = years.map(|year| {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 3, 1);
        params.self_signed(&key).unwrap().pem()
    });
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(folder.join("certificate.pem"), pems.concat()).unwrap();
}

fn files(folder: &Path) -> Result<TlsFiles, sluicegate::http::TlsError> {
    TlsFiles::read(&folder.join("certificate.pem"), &folder.join("key.pem"))
}

/// Whoever trusts this certificate alone.
fn trusting(certificate: &[u8]) -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    let certificates = reqwest::Certificate::from_pem_bundle(certificate).unwrap();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only(certificates);
    builder.timeout(Duration::from_secs(20)).build().unwrap()
}

/// Past the time in which the files are not looked at again.
async fn later() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn the_endpoint_speaks_tls_and_takes_up_a_new_certificate() {
    let folder = TempDir::new().unwrap();
    let first = renew(folder.path());
    let house = House::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door::with_tls(listener, Arc::new(files(folder.path()).unwrap())).unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(door, house.router.clone(), shutdown.clone()));
    // Connected and silent: must hold nobody up.
    let _silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let url = format!("https://localhost:{}/v1/overview", address.port());
    let ask = async |trusted: &[u8]| {
        let answer = trusting(trusted).get(&url).bearer_auth(TOKEN).send().await;
        answer.map(|answer| answer.status().as_u16()).ok()
    };
    assert_eq!(ask(&first).await, Some(200));
    let mut plain = tokio::net::TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut plain, &mut said).await.ok();
    assert!(!said.starts_with(b"HTTP"), "nothing is answered in the clear");

    let second = renew(folder.path());
    later().await;
    assert_eq!((ask(&second).await, ask(&first).await), (Some(200), None));
    // Half written: the one before goes on.
    fs::write(folder.path().join("certificate.pem"), "-----BEGIN CERT").unwrap();
    later().await;
    assert_eq!(ask(&second).await, Some(200));
    let third = renew(folder.path());
    later().await;
    assert_eq!((ask(&third).await, ask(&second).await), (Some(200), None));
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_end_of_the_first_certificate_that_ends_is_known_also_after_it_was_replaced() {
    let folder = TempDir::new().unwrap();
    renew_until(folder.path(), [2031, 2030]);
    let files = files(folder.path()).unwrap();
    let end = || files.ends().unwrap().to_string();
    assert_eq!(end(), "2030-03-01T00:00:00.000Z");
    renew_until(folder.path(), [2001, 2002]);
    later().await;
    assert_eq!(end(), "2001-03-01T00:00:00.000Z", "it is over, and shown all the same");
    // A time that is written otherwise.
    renew_until(folder.path(), [9999, 2077]);
    later().await;
    assert_eq!(end(), "2077-03-01T00:00:00.000Z");
}

#[test]
fn what_is_no_certificate_with_its_key_is_told_with_its_file() {
    let folder = TempDir::new().unwrap();
    let told = || files(folder.path()).unwrap_err().to_string();
    assert!(told().contains("certificate.pem: no certificate in PEM"), "{}", told());
    renew(folder.path());
    fs::write(folder.path().join("key.pem"), "hunter2").unwrap();
    assert!(told().contains("key.pem: no private key in PEM") && !told().contains("hunter2"), "{}", told());
    let other = TempDir::new().unwrap();
    renew(other.path());
    fs::copy(other.path().join("key.pem"), folder.path().join("key.pem")).unwrap();
    assert!(told().contains("key.pem: the key does not belong to"), "{}", told());
    renew(folder.path());
    fs::write(folder.path().join("certificate.pem"), "").unwrap();
    assert!(told().contains("certificate.pem"), "{}", told());
}
