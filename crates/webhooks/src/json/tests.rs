use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn a_document_is_read_as_it_is_written() {
    let text = r#" {"a":[1,-2.5,1e3,true,false,null],"b":{"c":"x\n\"é😀\/"},"d":[],"e":{}} "#;

    let read = parse(text.as_bytes()).unwrap();

    assert_eq!(
        read,
        json!({ "a": [1, -2.5, 1000.0, true, false, null], "b": { "c": "x\n\"é😀/" }, "d": [], "e": {} })
    );
}

#[test]
fn an_integer_keeps_all_its_digits() {
    assert_eq!(parse(b"9007199254740993").unwrap(), json!(9_007_199_254_740_993_i64));
    assert_eq!(parse(b"18446744073709551615").unwrap(), json!(u64::MAX));
    assert_eq!(parse(b"18446744073709551616").unwrap(), json!("18446744073709551616"));
    assert_eq!(parse(b"1e999").unwrap(), json!("1e999"));
}

#[test]
fn a_name_given_twice_is_refused_at_any_depth() {
    for body in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"c":0,"a":1}}]"#, r#"{"a":1,"\u0061":2}"#] {
        assert!(matches!(parse(body.as_bytes()), Err(JsonError::DuplicateName { .. })), "{body}");
    }
}

#[test]
fn sixty_four_levels_are_read_and_one_more_is_refused() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));

    assert!(parse(nested(64).as_bytes()).is_ok());
    assert_eq!(parse(nested(65).as_bytes()), Err(JsonError::TooDeep));
    assert_eq!(parse("[".repeat(1_000_000).as_bytes()), Err(JsonError::TooDeep));
}

#[test]
fn broken_utf8_is_told_from_broken_json() {
    assert_eq!(parse(b"{\"a\":\"\xff\"}"), Err(JsonError::Utf8 { at: 6 }));
    for body in
        ["", "{", "[1,]", "{\"a\":1,}", "{a:1}", "01", "1.", "+1", "nul", "\"\t\"", "\"\\x\"", "[1] 2", "'a'"]
    {
        assert!(matches!(parse(body.as_bytes()), Err(JsonError::Syntax { .. })), "{body}");
    }
}

#[test]
fn a_lone_surrogate_is_refused_and_nul_is_replaced() {
    for body in [r#""\ud800""#, r#""\udc00""#, r#""\ud800A""#, r#""\ud800x""#] {
        assert!(matches!(parse(body.as_bytes()), Err(JsonError::Syntax { .. })), "{body}");
    }
    assert_eq!(parse(br#""a\u0000b""#).unwrap(), json!("a\u{fffd}b"));
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(parse(b"\xef\xbb\xbf{}").unwrap(), json!({}));
}

#[test]
fn elements_come_as_the_bytes_that_were_sent() {
    let text = r#"{"a":[{"b":[ {"x" : 1} ,2 ]},{"b":[]}]}"#;
    let steps = [Pointer::parse("/a").unwrap(), Pointer::parse("/b").unwrap()];

    assert_eq!(raw_elements(text, &steps), Some(vec![r#"{"x" : 1}"#, "2"]));
    assert_eq!(raw_elements(text, &[Pointer::parse("/nothing").unwrap()]), None);
    assert_eq!(raw_elements("[1, 2]", &[Pointer::parse("").unwrap()]), Some(vec!["1", "2"]));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        "[^\u{0}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[^\u{0}]{0,6}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read_back(value in any_value()) {
        prop_assert_eq!(parse(value.to_string().as_bytes()).unwrap(), value.clone());
        prop_assert_eq!(parse(serde_json::to_string_pretty(&value).unwrap().as_bytes()).unwrap(), value);
    }

    #[test]
    fn nothing_is_read_that_serde_json_refuses(text in r#"[\[\]{}:,"\\a-cun0-9eE.+ -]{0,24}"#) {
        let ours = parse(text.as_bytes());
        let theirs = serde_json::from_str::<Value>(&text);
        let number_too_big = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        let only_ours_refuses = matches!(ours, Err(JsonError::DuplicateName { .. }));
        prop_assert!(ours.is_ok() == theirs.is_ok() || number_too_big || only_ours_refuses, "{}", text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }
}
