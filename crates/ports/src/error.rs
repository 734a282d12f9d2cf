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
    /// What so many inputs touch did not hold still: try half of them at once; one alone, after a rest.
    #[error("too much changed meanwhile: {0}")]
    Contended(String),
    /// The data cannot be written as it is (constraint, type, size): trying again cannot help.
    #[error("the store refused the data: {0}")]
    Rejected(String),
    /// A row that these inputs touch cannot be read: whatever does not touch it can go on, a person must look at the row.
    #[error("a stored row is damaged: {0}")]
    Damaged(String),
    /// The whole store contradicts itself, was written by another version or does not let us in: a person must look.
    #[error("the store cannot be used as it is: {0}")]
    Inconsistent(String),
}

impl StoreError {
    /// Whether waiting may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Conflict(_) | Self::Contended(_))
    }

    /// Whether fewer inputs may go through where these did not: halve the batch. Of the store as a whole, or of another
    /// process that was faster, halves would say the same.
    #[must_use]
    pub fn asks_for_fewer(&self) -> bool {
        matches!(self, Self::Contended(_) | Self::Rejected(_) | Self::Damaged(_))
    }
}

/// What store ports answer.
pub type StoreResult<T> = Result<T, StoreError>;
