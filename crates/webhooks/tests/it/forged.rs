//! Forged requests in bulk: what was signed rightly, changed in one place or several, is refused by every scheme. Some
//! 150,000 of them, the same in every run; `DRUMBEAT_FAULTS=full` makes it more than a million, and `SEED=…` others.

use webhooks::{Headers, Request, Source};

use super::signatures::{Case, cases, has_spares, sends_its_secret};

/// Forgeries of each rightly signed request, by what judging one costs: curves are dear without optimisation.
const OF_CURVES: usize = 40;
const OF_HASHES: usize = 4_500;

/// In full, so many times as many.
const IN_FULL: usize = 8;

fn seed() -> u64 {
    match std::env::var("SEED") {
        Ok(text) if !text.is_empty() => text.parse().expect("SEED is a number"),
        _ => 1,
    }
}

/// `SplitMix64`: the same forgeries for the same seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % end as u64).unwrap()
    }
}

/// A request that claims to be signed.
#[derive(Clone)]
struct Forgery {
    headers: Vec<(String, String)>,
    query: String,
    body: Vec<u8>,
}

impl Forgery {
    fn of(case: &Case) -> Self {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        Self {
            headers: case.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            query: case.query.clone(),
            body: case.body.clone().into_bytes(),
        }
    }

    fn is_accepted(&self, case: &Case, source: &Source) -> bool {
        let headers: Headers =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = Request {
            method: &case.method,
            query: &self.query,
            headers: &headers,
            body: &self.body,
            received_at: case.received_at,
        };
        source.verify(&request).is_ok()
    }

    /// Changes one place of a header, of the body where that is signed, or of a secret that is sent along elsewhere.
    fn change(&mut self, case: &Case, draw: &mut Draw) {
        if case.headers.is_empty() {
            return self.change_secret(draw);
        }
        let targets = self.headers.len() + usize::from(!sends_its_secret(case));
        if targets == 0 {
            return;
        }
        let target = draw.below(targets);
        if target == self.headers.len() {
            self.body = bytes_changed(&self.body, draw);
        } else if draw.below(24) == 0 {
            self.headers.remove(target);
        } else {
            let value = &mut self.headers[target].1;
            *value = changed(value.as_bytes(), draw);
        }
    }

    /// Whatever else stands in the query or in the body is not what such a scheme looks at.
    fn change_secret(&mut self, draw: &mut Draw) {
        if self.query.is_empty() {
            let body = String::from_utf8(self.body.clone()).unwrap();
            self.body = with_other(&body, "e-1", draw).into_bytes();
        } else {
            self.query = with_other(&self.query, "t%2Bken", draw);
        }
    }

    /// Whether it says the same as the request that was signed.
    fn says_what(&self, original: &Self) -> bool {
        self.body == original.body
            && self.query.eq_ignore_ascii_case(&original.query)
            && self.headers.len() == original.headers.len()
            && self.headers.iter().zip(&original.headers).all(|(one, other)| says_the_same(&one.1, &other.1))
    }
}

/// The text with its secret changed, as long as it is there.
fn with_other(text: &str, secret: &str, draw: &mut Draw) -> String {
    let other = changed(secret.as_bytes(), draw).replace(['"', '\\', '&'], "_");
    text.replacen(secret, &other, 1)
}

/// One byte flipped, replaced, taken out, doubled or put in, or the end cut off.
fn bytes_changed(bytes: &[u8], draw: &mut Draw) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.is_empty() {
        return vec![b'0'];
    }
    let at = draw.below(bytes.len());
    match draw.below(6) {
        0 => bytes[at] ^= 1 << draw.below(7),
        1 => bytes[at] = u8::try_from(draw.below(128)).unwrap(),
        2 => drop(bytes.remove(at)),
        3 => bytes.insert(at, bytes[at]),
        4 => bytes.insert(at, u8::try_from(draw.below(128)).unwrap()),
        _ => bytes.truncate(at),
    }
    bytes
}

/// The same for what a header or a query can hold.
fn changed(bytes: &[u8], draw: &mut Draw) -> String {
    bytes_changed(bytes, draw).into_iter().map(|byte| char::from(byte.clamp(b' ', b'~'))).collect()
}

/// Whether one says what the other, the original, says: space, the padding of base64, an empty place in a list and the case
/// of hex digits say nothing.
fn says_the_same(one: &str, other: &str) -> bool {
    let bare = |text: &str| {
        let text: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '=' | ',')).collect();
        // The name of an HTTP authentication scheme may be written in either case.
        match text.get(..6).map(str::to_lowercase).as_deref() {
            Some(scheme @ "bearer") => format!("{scheme}{}", &text[6..]),
            _ if text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic")) => {
                format!("basic{}", &text[5..])
            }
            _ => text,
        }
    };
    let digits = other.rsplit(['=', ',']).next().unwrap_or_default().trim();
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (one, other) = (bare(one), bare(other));
    one == other || is_hex && one.eq_ignore_ascii_case(&other)
}

fn is_of_a_curve(case: &Case) -> bool {
    case.provider == "sendgrid"
        || ["ed25519", "ecdsa", "v1a", "both kinds"].iter().any(|word| case.name.contains(word))
}

#[test]
fn none_of_very_many_forgeries_is_accepted() {
    let times = if std::env::var("DRUMBEAT_FAULTS").as_deref() == Ok("full") { IN_FULL } else { 1 };
    let seed = seed();
    println!("SEED={seed}");
    let (mut judged, mut draw) = (0, Draw(seed));
    for case in cases().iter().filter(|case| case.valid && !has_spares(case)) {
        let (source, original) = (case.source(), Forgery::of(case));
        assert!(original.is_accepted(case, &source), "{}", case.name);
        for _ in 0..times * if is_of_a_curve(case) { OF_CURVES } else { OF_HASHES } {
            let mut forgery = original.clone();
            for _ in 0..=draw.below(3) {
                forgery.change(case, &mut draw);
            }
            if forgery.says_what(&original) {
                continue;
            }
            assert!(
                !forgery.is_accepted(case, &source),
                "{}: {:?} {:?} {:?}",
                case.name,
                forgery.headers,
                forgery.query,
                String::from_utf8_lossy(&forgery.body)
            );
            judged += 1;
        }
    }
    println!("{judged} forgeries");
    assert!(judged > times * 100_000, "only {judged} forgeries were judged");
}
