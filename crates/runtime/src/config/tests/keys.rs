use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::folder;
use crate::config::Config;
use crate::config::KeyError;
use crate::config::SecurityKey;

const NEW: [u8; SecurityKey::LENGTH] = [0xfb; SecurityKey::LENGTH];
const OLD: [u8; SecurityKey::LENGTH] = [0x02; SecurityKey::LENGTH];

fn exposed(config: &Config) -> Result<Vec<[u8; SecurityKey::LENGTH]>, KeyError> {
    let keys = config.security_keys(|| unreachable!("no key is made"))?;
    Ok(keys.iter().map(|key| *key.expose()).collect())
}

#[test]
fn keys_are_read_in_hex_and_base64_in_their_order() {
    let (_folder, options) = folder("[security]\nkeys = [\"env:A\", \"env:B\", \"env:C\"]");
    let options = options
        .env("A", STANDARD.encode(NEW))
        .env("B", hex::encode(OLD).to_uppercase() + "\n")
        .env("C", URL_SAFE_NO_PAD.encode(NEW));

    let config = Config::load(&options).expect("it loads");

    assert_eq!(exposed(&config).expect("keys"), [NEW, OLD, NEW]);
    assert!(!format!("{:?}", config.security_keys(|| NEW)).contains("251"));
}

#[test]
fn what_is_not_32_bytes_is_no_key() {
    for text in
        ["short", &hex::encode([1; 31]), &hex::encode([1; 33]), &STANDARD.encode([1; 16]), &"zz".repeat(32)]
    {
        let (_folder, options) = folder("[security]\nkeys = [\"env:A\"]");
        let config = Config::load(&options.env("A", text)).expect("it loads");

        let error = exposed(&config).expect_err("it is no key").to_string();
        assert!(error.starts_with("env:A is not a key") && !error.contains(text), "{error}");
    }
}

#[test]
fn the_embedded_store_gets_a_key_of_its_own_once() {
    let (folder, options) = folder("data = \"deep/state\"");
    let config = Config::load(&options).expect("it loads");

    let first = config.security_keys(|| NEW).expect("a key");
    let again = config.security_keys(|| OLD).expect("the same key");

    assert_eq!((first[0].expose(), again[0].expose()), (&NEW, &NEW));
    let path = folder.path().join("deep/state/drumbeat.key");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), STANDARD.encode(NEW) + "\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn no_key_is_made_for_postgresql() {
    let (_folder, options) = folder("[store]\nurl = \"postgres://drumbeat@db/drumbeat\"");
    let config = Config::load(&options).expect("it loads");

    assert!(matches!(config.security_keys(|| NEW), Err(KeyError::Missing)));
}
