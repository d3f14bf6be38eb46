//! The errors of the store.

/// The errors of the store. They contain plain text, so that every caller whose work was in the failed
/// commit gets the same one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process (or another store in this one) has the file open.
    #[error(
        "`{path}` is in use by another process; stop that process or choose another state folder"
    )]
    Locked {
        /// The file.
        path: String,
    },
    /// The file was written by a newer version of this program.
    #[error(
        "`{path}` has version {found} of the state's layout, and this program knows versions up \
         to {supported}; use the newer program that wrote it, or choose another state folder"
    )]
    Newer {
        /// The file.
        path: String,
        /// The version of the file.
        found: u64,
        /// The newest version that this program knows.
        supported: u64,
    },
    /// The folder or the file cannot be created, read or written, or the file is not a store.
    #[error("cannot open `{path}`: {problem}")]
    Open {
        /// The folder or file.
        path: String,
        /// The error of the operating system.
        problem: String,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// Reading or writing failed: the disk is full or broken. After a failed commit, it is unknown whether
    /// the write was kept. The store reopens its file by itself.
    #[error("the store failed: {0}")]
    Storage(String),
    /// A record differs from what was written: the file was changed or damaged. A damaged record of the database does not
    /// affect others. A damaged journal prevents the start.
    #[error("{0}")]
    Damaged(String),
    /// A change is larger than the broker accepts. Nothing of it was kept.
    #[error("{0}")]
    TooLarge(String),
    /// A bug of fuse. Nothing of this write was kept.
    #[error("{0}; this is a bug of fuse, please report it")]
    Internal(String),
}

/// Every error of the database inside a transaction becomes `Storage`.
macro_rules! storage_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Storage(error.to_string())
            }
        }
    )*};
}
storage_errors!(redb::TransactionError, redb::TableError, redb::StorageError, redb::CommitError);
