//! Which fields hold a secret, by their names.

/// What is written instead of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

const SECRETS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "token",
    "authorization",
    "secret",
    "cookie",
    "credential",
    "apikey",
    "privatekey",
];

/// Whether a field of this name holds a secret: one of the known words is in its letters, whatever their case and
/// whatever joins the words. It errs on the side of hiding.
pub(crate) fn is_secret(name: &str) -> bool {
    let letters = || name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
    let starts_with = |from: usize, word: &str| letters().skip(from).take(word.len()).eq(word.bytes());
    (0..letters().count()).any(|from| SECRETS.iter().any(|word| starts_with(from, word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        let check = |name, secret| assert_eq!(is_secret(name), secret, "{name}");
        for name in
            ["password", "db.password", "Authorization", "http.request.header.set-cookie", "X-Api-Key"]
        {
            check(name, true);
        }
        for name in ["api_key", "access_token", "clientSecret", "private_key", "DB_PASSWD"] {
            check(name, true);
        }
        for name in ["", "key", "user", "route", "http.response.status_code", "pass", "tok"] {
            check(name, false);
        }
    }
}
