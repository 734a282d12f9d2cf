//! What a store's failure asks of the caller.

/// A store's failure, by what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached, is full, shutting down or too slow: wait and try again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Someone else was faster (serialization failure, deadlock, compare-and-set): load again and try again at once.
    #[error("the store changed meanwhile: {0}")]
    Conflict(String),
    /// The data cannot be written as it is (constraint, type, size): trying again cannot help.
    #[error("the store refused the data: {0}")]
    Rejected(String),
    /// What is stored contradicts itself or was written by another version: a person must look.
    #[error("the store is inconsistent: {0}")]
    Inconsistent(String),
}

impl StoreError {
    /// Whether waiting may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Conflict(_))
    }
}

/// What store ports answer.
pub type StoreResult<T> = Result<T, StoreError>;
