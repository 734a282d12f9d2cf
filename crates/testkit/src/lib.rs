//!
pub mod bus;
pub mod crm;
pub mod store;
