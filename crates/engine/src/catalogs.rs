//! The content in force, read again when the store's epoch moves.

use std::sync::{Arc, PoisonError, RwLock};

use domain::catalog::{Catalog, Defaults};
use ports::StoreResult;
use ports::content::Content;

/// Keeps the compiled content of all workspaces. Each batch and pick asks for the current one, which costs one small
/// query; texts are read and compiled only when something was applied since.
pub struct Catalogs {
    content: Arc<dyn Content>,
    held: RwLock<Option<Arc<Catalog>>>,
    defaults: Defaults,
}

impl Catalogs {
    /// Reads from `content`, with the deployment's `defaults`.
    #[must_use]
    pub fn new(content: Arc<dyn Content>, defaults: Defaults) -> Self {
        Self { content, held: RwLock::new(None), defaults }
    }

    /// The catalog of the store's present epoch.
    ///
    /// # Errors
    /// When the store cannot be read. A stored text that no longer compiles is left out and logged; the others serve.
    pub async fn current(&self) -> StoreResult<Arc<Catalog>> {
        let epoch = self.content.epoch().await?;
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(catalog) = held.filter(|catalog| catalog.epoch == epoch) {
            return Ok(catalog);
        }
        self.read_again().await
    }

    async fn read_again(&self) -> StoreResult<Arc<Catalog>> {
        let (epoch, documents) = self.content.in_force().await?;
        let catalog = Arc::new(crate::content::compile(epoch, &documents, &self.defaults));
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&catalog));
        Ok(catalog)
    }
}
