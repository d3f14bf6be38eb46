//! Secrets in the environment and in files of this machine.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{Secret, SecretError, SecretRef, SecretStore};

/// Reads environment variables, files, and, if there is a folder for them, named secrets: the key `KEY` of the
/// secret `NAME` is the file `DIR/NAME/KEY`, as Kubernetes mounts Secrets.
///
/// ```
/// use fuse_runtime::secrets::{LocalSecrets, SecretRef, SecretStore as _};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let dir = tempfile::tempdir()?;
/// std::fs::create_dir(dir.path().join("github"))?;
/// std::fs::write(dir.path().join("github/webhook"), "s3cr3t\n")?;
///
/// let store = LocalSecrets::new().dir(dir.path());
/// let reference = SecretRef::Secret { name: "github".into(), key: "webhook".into() };
/// assert_eq!(store.read(&reference).await?.expose(), "s3cr3t");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct LocalSecrets {
    dir: Option<PathBuf>,
}

impl LocalSecrets {
    /// Reads environment variables and files, but no named secrets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads named secrets from this folder.
    #[must_use]
    pub fn dir(self, dir: impl Into<PathBuf>) -> Self {
        Self { dir: Some(dir.into()) }
    }
}

#[async_trait]
impl SecretStore for LocalSecrets {
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let failed = |error| SecretError::io(reference, error);
        match reference {
            SecretRef::Env { name } => match std::env::var_os(name) {
                None => Err(SecretError::Missing(reference.clone())),
                Some(value) => {
                    let value = value.into_string().map_err(|_| failed(not_utf8()))?;
                    not_empty(Secret::new(value), reference)
                }
            },
            SecretRef::File { path } => read_file(path.clone(), reference).await,
            SecretRef::Secret { name, key } => match &self.dir {
                None => Err(SecretError::Unsupported(reference.clone())),
                Some(dir) if is_file_name(name) && is_file_name(key) => {
                    read_file(dir.join(name).join(key), reference).await
                }
                Some(_) => {
                    let why = "a name can contain only letters, digits, `-`, `_` and `.`";
                    Err(failed(io::Error::new(io::ErrorKind::InvalidInput, why)))
                }
            },
        }
    }
}

/// Whether the name of a secret or key cannot lead out of its folder.
fn is_file_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.chars().all(allowed) && !matches!(name, "" | "." | "..")
}

fn not_utf8() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8")
}

async fn read_file(path: PathBuf, reference: &SecretRef) -> Result<Secret, SecretError> {
    let failed = |error| SecretError::io(reference, error);
    let read = move || std::fs::read(Path::new(&path));
    let read = tokio::task::spawn_blocking(read).await;
    match read.map_err(|error| failed(io::Error::other(error)))? {
        Ok(bytes) => secret_from_bytes(bytes, reference),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(SecretError::Missing(reference.clone()))
        }
        Err(error) => Err(failed(error)),
    }
}

/// A secret as files and Kubernetes Secrets have it, without a line break at the end.
pub(crate) fn secret_from_bytes(
    bytes: Vec<u8>,
    reference: &SecretRef,
) -> Result<Secret, SecretError> {
    let bytes = Zeroizing::new(bytes);
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Err(SecretError::io(reference, not_utf8()));
    };
    // Editors and `echo` end a file with a line break that is not part of the secret.
    let without = ["\r\n", "\n"].into_iter().find_map(|end| text.strip_suffix(end));
    not_empty(Secret::new(without.unwrap_or(text)), reference)
}

fn not_empty(secret: Secret, reference: &SecretRef) -> Result<Secret, SecretError> {
    match secret.expose().trim().is_empty() {
        true => Err(SecretError::Empty(reference.clone())),
        false => Ok(secret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_and_variables_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let file = SecretRef::File { path: path.clone() };
        let store = LocalSecrets::new();
        let missing = store.read(&file).await.unwrap_err();
        assert!(matches!(missing, SecretError::Missing(_)), "{missing}");
        for (text, secret) in [("s3cr3t\n", "s3cr3t"), ("s3cr3t\r\n", "s3cr3t"), (" a\n\n", " a\n")]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(store.read(&file).await.unwrap().expose(), secret);
        }
        // An empty secret would let anyone in, and white space is easy to guess.
        for text in ["", "\n", "\r\n", " \t\n\n"] {
            std::fs::write(&path, text).unwrap();
            let empty = store.read(&file).await.unwrap_err();
            assert!(matches!(empty, SecretError::Empty(_)), "{empty}");
        }

        let variable = SecretRef::Env { name: "FUSE_TEST_NO_SUCH_VARIABLE".into() };
        let missing = store.read(&variable).await.unwrap_err().to_string();
        assert_eq!(missing, "environment variable `FUSE_TEST_NO_SUCH_VARIABLE` is not set");
    }

    #[tokio::test]
    async fn named_secrets_are_files_of_a_folder_and_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("secrets");
        std::fs::create_dir_all(dir.join("pager")).unwrap();
        std::fs::write(dir.join("pager/token"), "s3cr3t").unwrap();
        std::fs::write(folder.path().join("outside"), "s3cr3t").unwrap();
        let named =
            |name: &str, key: &str| SecretRef::Secret { name: name.into(), key: key.into() };
        let without = LocalSecrets::new().read(&named("pager", "token")).await.unwrap_err();
        assert!(matches!(without, SecretError::Unsupported(_)), "{without}");

        let store = LocalSecrets::new().dir(&dir);
        assert_eq!(store.read(&named("pager", "token")).await.unwrap().expose(), "s3cr3t");
        let missing = store.read(&named("pager", "key")).await.unwrap_err().to_string();
        assert_eq!(missing, "key `key` of secret `pager` is not set");
        for (name, key) in [("..", "outside"), ("pager", "../../outside"), ("", "pager")] {
            let refused = store.read(&named(name, key)).await.unwrap_err();
            assert!(matches!(refused, SecretError::Io { .. }), "{refused}");
        }
    }
}
