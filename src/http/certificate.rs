//! When certificates end.

use std::time::Duration;

use rustls::{
    CertificateError, Error, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
};

use crate::job::time::Timestamp;

/// Later than any certificate ends.
const NEVER: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));

/// The first end among them; None: none of them tells.
pub(super) fn ends(chain: &[CertificateDer<'_>]) -> Option<Timestamp> {
    chain.iter().filter_map(end).min()
}

/// The judge of certificates looks at the times before anything else, and says when one ended that is over: so it is asked
/// about a time at which every one is.
fn end(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let nobody = RootCertStore::empty();
    match verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], NEVER, &[]) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            let seconds = i64::try_from(not_after.as_secs()).ok()?;
            Some(Timestamp(seconds.saturating_mul(1_000)))
        }
        _ => None,
    }
}
