//! The flags of TLS, and the files behind them: read and checked before anything is opened.

use crate::cli::CliError;
use clap::Args;
use clap::builder::BoolishValueParser;
use inrush_core::plan::{Identity, TlsClient, Trust};
use inrush_host::tls::{self, Unusable};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest file of certificates: this system's own are about 200 kB.
const FILE_BYTES: u64 = 4 << 20;

/// How `inrush run` speaks TLS.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Accept servers whose certificate FILE's authorities have signed (PEM) [default: this
    /// system's]
    #[arg(long, value_name = "FILE", conflicts_with = "insecure", hide_short_help = true)]
    #[arg(env = "INRUSH_CACERT", hide_env_values = true)]
    pub(crate) cacert: Option<PathBuf>,
    /// Show the certificate in FILE to a server that asks for one (PEM)
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    #[arg(env = "INRUSH_CERT", hide_env_values = true)]
    pub(crate) cert: Option<PathBuf>,
    /// The private key to it (PEM) [default: in the file of --cert]
    #[arg(long, value_name = "FILE", requires = "cert", hide_short_help = true)]
    #[arg(env = "INRUSH_KEY", hide_env_values = true)]
    pub(crate) key: Option<PathBuf>,
    /// Accept any certificate
    #[arg(short = 'k', long, value_parser = BoolishValueParser::new())]
    #[arg(env = "INRUSH_INSECURE", hide_env_values = true)]
    pub(crate) insecure: bool,
    /// The name to ask for and to verify [default: the target's host]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    #[arg(env = "INRUSH_SNI", hide_env_values = true)]
    pub(crate) sni: Option<String>,
}

impl TlsArgs {
    /// The first flag that was given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--cacert", self.cacert.is_some()),
            ("--cert", self.cert.is_some()),
            ("--insecure", self.insecure),
            ("--sni", self.sni.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// What they come to; every file was read and is fit for use. `wanted`: anything is spoken
    /// through TLS, so that this system's own authorities have to be there too.
    pub(crate) fn read(&self, wanted: bool) -> Result<TlsClient, CliError> {
        let trust = match &self.cacert {
            _ if self.insecure => Trust::Anyone,
            None if wanted => {
                tls::check_system_trust().map_err(|why| {
                    let message = format!("this system trusts no authority: {why}");
                    let help = "install ca-certificates, or --cacert FILE, or --insecure";
                    CliError::usage(message, help)
                })?;
                Trust::System
            }
            None => Trust::System,
            Some(path) => {
                let pem = text(path)?;
                tls::check_trust(&pem).map_err(|why| unusable(path, &why))?;
                Trust::Authorities(pem)
            }
        };
        let identity = match &self.cert {
            Some(cert) => Some(identity(cert, self.key.as_deref().unwrap_or(cert))?),
            None => None,
        };
        Ok(TlsClient { trust, identity })
    }
}

/// A certificate and its key, fit for use.
pub(crate) fn identity(cert: &Path, key: &Path) -> Result<Identity, CliError> {
    let identity = Identity { chain: text(cert)?, key: text(key)? };
    tls::check_identity(&identity).map_err(|why| match why {
        Unusable::NoKey => unusable(key, &why),
        Unusable::Mismatch => {
            let message = format!(
                "'{}' cannot be used: the key does not belong to the certificate in '{}'",
                key.display(),
                cert.display()
            );
            CliError::usage(message, "openssl pkey -pubout -in KEY; openssl x509 -pubkey -in CERT")
        }
        _ => unusable(cert, &why),
    })?;
    Ok(identity)
}

fn unusable(path: &Path, why: &Unusable) -> CliError {
    let help = format!("openssl x509 -noout -subject -dates -in {}", path.display());
    CliError::usage(format!("'{}' cannot be used: {why}", path.display()), help)
}

fn text(path: &Path) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|f| f.take(FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => {
            let message = format!("cannot read '{}': {error}", path.display());
            Err(CliError::usage(message, format!("ls -l {}", path.display())))
        }
        Ok(length) if length as u64 > FILE_BYTES => {
            let message = format!("'{}' is longer than 4 MiB", path.display());
            Err(CliError::usage(message, "name the file of the certificate"))
        }
        Ok(_) => String::from_utf8(bytes).map_err(|_| {
            let message = format!("'{}' is no PEM: it is no text", path.display());
            let help = format!("openssl x509 -inform der -in {} -out CERT.pem", path.display());
            CliError::usage(message, help)
        }),
    }
}
