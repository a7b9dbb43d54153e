//! The shop's page: the core in the browser
