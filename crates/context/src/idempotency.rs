/// The idempotency key of the request in hand, as a value of its context.
///
/// A transport puts it there; `storage` keeps it with the answer in the same commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Whose key it is: the endpoint. The same key in two scopes is two keys.
    pub scope: String,
    /// The caller's key, 1 to 255 visible ASCII characters.
    pub key: String,
    /// SHA-256 of the canonical request: the same key with another digest is a conflict.
    pub digest: [u8; 32],
}
