//! The IndexedDB adapter of the storage port, for the browser.
