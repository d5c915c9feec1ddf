//! The proof of the storage contract: models, oracles and checkers that find what a test by hand does not.
