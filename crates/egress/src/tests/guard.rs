use std::io;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::Mutex;

use reqwest::dns::Name;
use reqwest::dns::Resolve;

use super::server::Server;
use crate::AllowPrivate;
use crate::Egress;
use crate::Error;
use crate::Method;
use crate::Outcome;
use crate::Policy;
use crate::Request;
use crate::address::Reserved;
use crate::address::reserved;
use crate::guard::admit;
use crate::resolver::Forbidden;
use crate::resolver::GuardedResolver;
use crate::resolver::Looking;
use crate::resolver::Lookup;

/// URL, the range it is refused for, whether `allow_private` opens it.
const FORBIDDEN: &[(&str, Reserved, bool)] = &[
    // Loopback, written every way a URL parser accepts.
    ("http://127.0.0.1/", Reserved::Loopback, true),
    ("http://127.1/", Reserved::Loopback, true),
    ("http://127.0.1/", Reserved::Loopback, true),
    ("http://0x7f.1/", Reserved::Loopback, true),
    ("http://0x7f000001/", Reserved::Loopback, true),
    ("http://2130706433/", Reserved::Loopback, true),
    ("http://017700000001/", Reserved::Loopback, true),
    ("http://0177.0.0.01/", Reserved::Loopback, true),
    ("http://127.255.255.254:8080/x", Reserved::Loopback, true),
    ("http://127.0.0.1./", Reserved::Loopback, true),
    ("http://%31%32%37.0.0.1/", Reserved::Loopback, true),
    ("http://①②⑦.⓪.⓪.①/", Reserved::Loopback, true),
    ("http://[::1]/", Reserved::Loopback, true),
    ("http://[0:0:0:0:0:0:0:1]:80/", Reserved::Loopback, true),
    ("http://[::ffff:127.0.0.1]/", Reserved::Loopback, true),
    ("http://[::ffff:7f00:1]/", Reserved::Loopback, true),
    ("http://[::127.0.0.1]/", Reserved::Loopback, true),
    ("http://[::ffff:0:127.0.0.1]/", Reserved::Loopback, true),
    ("http://[64:ff9b::127.0.0.1]/", Reserved::Loopback, true),
    ("http://[2002:7f00:1::]/", Reserved::Loopback, true),
    // Private networks.
    ("http://10.0.0.1/", Reserved::Private, true),
    ("https://10.255.255.255/", Reserved::Private, true),
    ("http://172.16.0.1/", Reserved::Private, true),
    ("http://172.31.255.255/", Reserved::Private, true),
    ("http://192.168.1.1/", Reserved::Private, true),
    ("http://0xc0a80101/", Reserved::Private, true),
    ("http://[::ffff:192.168.0.1]/", Reserved::Private, true),
    ("http://[64:ff9b::10.0.0.1]/", Reserved::Private, true),
    ("http://[64:ff9b:1::a00:1]/", Reserved::Private, true),
    ("http://[2002:a00:1::1]/", Reserved::Private, true),
    ("http://[2606:4700::5efe:10.0.0.1]/", Reserved::Private, true),
    ("http://[fc00::1]/", Reserved::Private, true),
    ("http://[fdff:ffff::1]/", Reserved::Private, true),
    ("http://[fec0::1]/", Reserved::Private, true),
    ("http://100.64.0.1/", Reserved::SharedNat, true),
    ("http://100.127.255.254/", Reserved::SharedNat, true),
    // Cloud metadata and link-local: never.
    ("http://169.254.169.254/latest/meta-data/", Reserved::Metadata, false),
    ("http://0xa9fea9fe/", Reserved::Metadata, false),
    ("http://2852039166/", Reserved::Metadata, false),
    ("http://[::ffff:169.254.169.254]/", Reserved::Metadata, false),
    ("http://[64:ff9b::a9fe:a9fe]/", Reserved::Metadata, false),
    ("http://[2002:a9fe:a9fe::]/", Reserved::Metadata, false),
    ("http://[fd00:ec2::254]/", Reserved::Metadata, false),
    ("http://100.100.100.200/", Reserved::Metadata, false),
    ("http://168.63.129.16/", Reserved::Metadata, false),
    ("http://192.0.0.192/", Reserved::Metadata, false),
    ("http://169.254.1.1/", Reserved::LinkLocal, false),
    ("http://[fe80::1]/", Reserved::LinkLocal, false),
    ("http://169.254.169.254\\@crm.example.com/", Reserved::Metadata, false),
    ("http://169.254.169.254#@crm.example.com/", Reserved::Metadata, false),
    ("http://169.254.169.254?@crm.example.com/", Reserved::Metadata, false),
    ("http:169.254.169.254/", Reserved::Metadata, false),
    ("http:\\\\169.254.169.254/", Reserved::Metadata, false),
    ("http://0251.0376.0251.0376/", Reserved::Metadata, false),
    ("http://169.0xfe.43518/", Reserved::Metadata, false),
    ("ht\ntp://169.254\n.169.254/", Reserved::Metadata, false),
    // Unspecified, multicast, broadcast: never.
    ("http://0.0.0.0/", Reserved::Unspecified, false),
    ("http://0/", Reserved::Unspecified, false),
    ("http://0.1.2.3/", Reserved::Unspecified, false),
    ("http://[::]/", Reserved::Unspecified, false),
    ("http://[::ffff:0.0.0.0]/", Reserved::Unspecified, false),
    ("http://224.0.0.1/", Reserved::Multicast, false),
    ("http://239.255.255.250/", Reserved::Multicast, false),
    ("http://255.255.255.255/", Reserved::Multicast, false),
    ("http://[ff02::1]/", Reserved::Multicast, false),
    // Documentation, benchmarks, unassigned.
    ("http://192.0.2.1/", Reserved::Unassigned, true),
    ("http://198.51.100.7/", Reserved::Unassigned, true),
    ("http://203.0.113.9/", Reserved::Unassigned, true),
    ("http://198.18.0.1/", Reserved::Unassigned, true),
    ("http://192.88.99.1/", Reserved::Unassigned, true),
    ("http://240.0.0.1/", Reserved::Unassigned, true),
    ("http://[2001:db8::1]/", Reserved::Unassigned, true),
    ("http://[2001::1]/", Reserved::Unassigned, true),
    ("http://[3fff::1]/", Reserved::Unassigned, true),
    ("http://[100::1]/", Reserved::Unassigned, true),
    ("http://[4000::1]/", Reserved::Unassigned, true),
];

/// Public addresses and names, the neighbours of the ranges above among them.
const PERMITTED: &[&str] = &[
    "https://8.8.8.8/",
    "http://9.255.255.255/",
    "http://11.0.0.0/",
    "http://100.63.255.255/",
    "http://100.128.0.0/",
    "http://126.255.255.255/",
    "http://128.0.0.1/",
    "http://172.15.255.255/",
    "http://172.32.0.0/",
    "http://169.253.255.255/",
    "http://192.167.255.255/",
    "http://223.255.255.255/",
    "https://[2606:4700::1111]/",
    "https://[2a00:1450::200e]/",
    "https://[2002:808:808::]/",
    "https://[64:ff9b::8.8.8.8]/",
    "https://api.example.com/tasks?x=1",
    "https://xn--bcher-kva.example/",
];

/// URLs that are refused for their form.
const MALFORMED: &[&str] = &[
    "",
    "crm.example.com/tasks",
    "//crm.example.com/",
    "ftp://crm.example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:70/",
    "data:text/plain,hi",
    "unix:///var/run/docker.sock",
    "http://",
    "http:///",
    "http://user@crm.example.com/",
    "http://user:secret@crm.example.com/",
    "http://:secret@crm.example.com/",
    "http://[::1",
    // Zones name an interface of this machine.
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://crm.example.com@169.254.169.254/",
    "http://crm.example.com%40169.254.169.254/",
    "http://crm.example.com:80@169.254.169.254/",
    "http://127.0.0.1:80:443/",
    "http://0x100000000/",
    "http://127.0.0.0x1ff/",
    "http://1.2.3.4.5/",
    "http://256.256.256.256/",
    "http://crm.example.com:99999/",
    "http://a b.example/",
];

#[test]
fn addresses_that_are_not_public_are_refused_however_they_are_written() {
    for (url, range, _) in FORBIDDEN {
        match admit(url, AllowPrivate::No) {
            Err(Error::Refused { range: found, .. }) => assert_eq!(found, *range, "{url}"),
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[test]
fn allow_private_opens_private_ranges_and_never_metadata_link_local_or_multicast() {
    for (url, range, opens) in FORBIDDEN {
        match (admit(url, AllowPrivate::Yes), opens) {
            (Ok(_), true) => {}
            (Err(Error::Refused { range: found, .. }), false) => assert_eq!(found, *range, "{url}"),
            (other, _) => panic!("{url}: {other:?}"),
        }
    }
}

#[test]
fn public_addresses_and_names_are_admitted() {
    for url in PERMITTED {
        if let Err(error) = admit(url, AllowPrivate::No) {
            panic!("{url}: {error}");
        }
    }
}

#[test]
fn urls_without_scheme_host_or_with_credentials_are_refused_without_being_quoted() {
    for url in MALFORMED {
        match admit(url, AllowPrivate::Yes) {
            Err(error @ Error::InvalidUrl { .. }) => {
                assert_eq!(error.outcome(), Outcome::NotSent);
                assert!(!error.to_string().contains("secret"), "{error}");
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}

proptest::proptest! {
    #[test]
    fn an_ipv4_address_is_judged_alike_in_every_form_that_carries_it(bits: u32) {
        let plain = Ipv4Addr::from(bits);
        let [high, low] = [bits >> 16, bits & 0xffff].map(|half| u16::try_from(half).expect("16 bits"));
        let carriers = [
            plain.to_ipv6_mapped(),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0x5efe, high, low),
        ];

        for carrier in carriers {
            proptest::prop_assert_eq!(reserved(carrier.into()), reserved(plain.into()), "{}", carrier);
        }
    }
}

/// Answers look-ups from a script, one entry per call; the last repeats.
struct Script {
    answers: Mutex<Vec<Vec<&'static str>>>,
    calls: Mutex<usize>,
}

impl Script {
    fn of(answers: &[&[&'static str]]) -> Arc<Self> {
        let answers = answers.iter().rev().map(|answer| answer.to_vec()).collect();
        Arc::new(Self { answers: Mutex::new(answers), calls: Mutex::new(0) })
    }

    fn calls(&self) -> usize {
        *self.calls.lock().expect("not poisoned")
    }
}

impl Lookup for Script {
    fn lookup(&self, _host: String) -> Looking {
        *self.calls.lock().expect("not poisoned") += 1;
        let mut answers = self.answers.lock().expect("not poisoned");
        let answer =
            if answers.len() > 1 { answers.pop() } else { answers.last().cloned() }.unwrap_or_default();
        let addresses: io::Result<Vec<SocketAddr>> = answer
            .iter()
            .map(|text| SocketAddr::from_str(text).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput)))
            .collect();
        Box::pin(async move { addresses })
    }
}

async fn resolve(answers: &[&'static str], allow_private: AllowPrivate) -> Result<Vec<String>, String> {
    let resolver = GuardedResolver { lookup: Script::of(&[answers]), allow_private };
    let name = Name::from_str("crm.example.com").expect("a legal name");
    match resolver.resolve(name).await {
        Ok(addresses) => Ok(addresses.map(|address| address.ip().to_string()).collect()),
        Err(error) => Err(error
            .downcast_ref::<Forbidden>()
            .map_or_else(|| error.to_string(), |forbidden| format!("forbidden: {}", forbidden.range))),
    }
}

#[tokio::test]
async fn a_name_with_public_and_private_addresses_is_dialled_at_the_public_ones_only() {
    let found =
        resolve(&["10.0.0.1:0", "8.8.8.8:0", "[::1]:0", "[2606:4700::1111]:0"], AllowPrivate::No).await;

    assert_eq!(found, Ok(vec!["8.8.8.8".to_owned(), "2606:4700::1111".to_owned()]));
}

#[tokio::test]
async fn a_name_with_only_forbidden_addresses_is_refused() {
    for (answers, range) in [
        (&["127.0.0.1:0"][..], "this machine (loopback)"),
        (&["[::ffff:10.1.2.3]:0"], "a private network"),
        (&["169.254.169.254:0", "10.0.0.1:0"], "a cloud metadata service"),
        (&["[fe80::1]:0"], "link-local"),
    ] {
        assert_eq!(resolve(answers, AllowPrivate::No).await, Err(format!("forbidden: {range}")));
    }
    assert_eq!(
        resolve(&["169.254.169.254:0"], AllowPrivate::Yes).await,
        Err("forbidden: a cloud metadata service".to_owned())
    );
}

#[tokio::test]
async fn a_name_without_addresses_is_an_error_and_not_a_refusal() {
    assert_eq!(resolve(&[], AllowPrivate::No).await, Err("crm.example.com has no address".to_owned()));
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_refused_and_nothing_connects() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let egress = Egress::with_lookup(Policy::default(), Script::of(&[&["127.0.0.1:0"]])).expect("a client");

    let url = format!("http://crm.example.com:{}/tasks", server.address.port());
    let error = egress.send(Request::new(Method::Post, url).body("{}")).await.expect_err("it is refused");

    assert_eq!(error, Error::Refused { host: "crm.example.com".to_owned(), range: Reserved::Loopback });
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn localhost_is_refused_through_the_systems_resolver() {
    let egress = Egress::new(Policy::default()).expect("a client");

    for url in ["http://localhost:9/", "http://LOCALHOST:9/"] {
        let error = egress.send(Request::new(Method::Get, url)).await.expect_err("it is refused");

        assert!(matches!(error, Error::Refused { range: Reserved::Loopback, .. }), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_name_is_looked_up_once_per_connection_and_judged_again_for_the_next() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    let script = Script::of(&[&["127.0.0.1:0"], &["169.254.169.254:0"]]);
    let policy = Policy { allow_private: AllowPrivate::Yes, ..Policy::default() };
    let egress = Egress::with_lookup(policy, Arc::clone(&script) as Arc<dyn Lookup>).expect("a client");
    let url = format!("http://crm.example.com:{}/", server.address.port());

    let first = egress.send(Request::new(Method::Get, url.clone())).await.expect("the first is answered");
    assert_eq!((first.status, script.calls()), (200, 1));

    let error = egress.send(Request::new(Method::Get, url)).await.expect_err("the name has moved");
    assert!(matches!(error, Error::Refused { range: Reserved::Metadata, .. }), "{error}");
    assert_eq!(server.requests().len(), 1);
}
