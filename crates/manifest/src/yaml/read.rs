//! From text to trees.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::node::{Entry, Node, NodeKind, Scalar, Style};
use crate::diagnostic::{Code, Finding, Log};
use crate::source::{Extent, Source};

/// More nodes than any real file has; what aliases repeat counts each time.
const MOST_NODES: usize = 200_000;
/// Deeper than any real file goes.
const DEEPEST: usize = 64;

/// A document of a file.
#[derive(Debug)]
pub(crate) struct RawDocument {
    pub(crate) root: Node,
    /// Its own text: from its `---`, or the start, up to the next one.
    pub(crate) extent: Extent,
    /// What was found while reading it.
    pub(crate) log: Log,
}

/// The documents of a file up to the first syntax error, and that error. Empty documents are left out.
pub(crate) fn read(source: &Source) -> (Vec<RawDocument>, Option<Finding>) {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(&source.text, options),
        text: &source.text,
        anchors: HashMap::new(),
        log: Log::default(),
        nodes: 0,
    };
    let mut documents = Vec::new();
    let error = loop {
        match reader.document() {
            Ok(Some(document)) => documents.push(document),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    cut(&source.text, &mut documents);
    (documents.into_iter().map(|document| document.raw).filter(|raw| !raw.root.is_nothing()).collect(), error)
}

struct Started {
    raw: RawDocument,
    /// Where its `---` stands, or its first node.
    start: usize,
}

/// Gives each document the text from its marker to the next one's.
fn cut(text: &str, documents: &mut [Started]) {
    let mut end = text.len();
    for (index, document) in documents.iter_mut().enumerate().rev() {
        // Comments above the first document belong to it.
        let start = if index == 0 { 0 } else { document.start.min(end) };
        document.raw.extent = Extent::new(start, end);
        end = start;
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    text: &'t str,
    anchors: HashMap<usize, Rc<Node>>,
    log: Log,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Finding> {
        self.parser.next_event().transpose().map_err(|error| self.syntax(&error))
    }

    fn syntax(&self, error: &ScanError) -> Finding {
        let at = error.marker().byte_offset().unwrap_or(self.text.len()).min(self.text.len());
        Finding::new(Code::Syntax, Extent::new(at, at + 1), format!("this is not YAML: {}", error.info()))
    }

    fn document(&mut self) -> Result<Option<Started>, Finding> {
        loop {
            let Some((event, span)) = self.next()? else { return Ok(None) };
            match event {
                Event::DocumentStart(..) => {
                    let marker = extent(&span).start;
                    self.anchors.clear();
                    self.nodes = 0;
                    let Some((event, span)) = self.next()? else { return Ok(None) };
                    let root = self.node(event, &span)?;
                    let root = Rc::try_unwrap(root).unwrap_or_else(|shared| (*shared).clone());
                    let start = marker.min(root.at.start);
                    let raw =
                        RawDocument { root, extent: Extent::default(), log: std::mem::take(&mut self.log) };
                    return Ok(Some(Started { raw, start }));
                }
                Event::StreamEnd => return Ok(None),
                _ => {}
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: &Span) -> Result<Rc<Node>, Finding> {
        let mut at = extent(span);
        let (anchor, tagged) = (event.anchor_id(), event.tag().is_some());
        let kind = match event {
            Event::Scalar(text, style, ..) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                NodeKind::Scalar(Scalar { text: text.into_owned(), style })
            }
            Event::SequenceStart(..) => {
                let (items, end) = self.list()?;
                at = covering(at, items.last().map_or(end, |item| item.at), end);
                NodeKind::List(items)
            }
            Event::MappingStart(..) => {
                let (entries, end) = self.mapping()?;
                at = covering(at, entries.last().map_or(end, |entry| entry.value.at), end);
                NodeKind::Mapping(entries)
            }
            Event::Alias(id) => return self.alias(id, at),
            _ => NodeKind::Refused,
        };
        let size = 1 + match &kind {
            NodeKind::List(items) => items.iter().map(|item| item.size).sum(),
            NodeKind::Mapping(entries) => entries.iter().map(|entry| entry.value.size + 1).sum(),
            NodeKind::Scalar(_) | NodeKind::Refused => 0,
        };
        self.count(1, at)?;
        let kind = if tagged {
            let say = "tags such as `!name` have no meaning here";
            self.log.push(
                Finding::new(Code::BadValue, at, say).hint("leave the tag out, and quote what is text"),
            );
            NodeKind::Refused
        } else {
            kind
        };
        let node = Rc::new(Node { at, kind, size });
        if let Some(id) = anchor {
            self.anchors.insert(id, Rc::clone(&node));
        }
        Ok(node)
    }

    /// What an alias repeats, at the place of the alias.
    fn alias(&mut self, id: usize, at: Extent) -> Result<Rc<Node>, Finding> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            self.log.report(Code::BadValue, at, "this alias stands within what it repeats");
            return Ok(Rc::new(Node { at, kind: NodeKind::Refused, size: 1 }));
        };
        self.count(node.size, at)?;
        Ok(node)
    }

    fn count(&mut self, more: usize, at: Extent) -> Result<(), Finding> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes <= MOST_NODES {
            return Ok(());
        }
        Err(Finding::new(
            Code::Syntax,
            at,
            format!("a document may hold at most {MOST_NODES} values, aliases written out"),
        ))
    }

    fn list(&mut self) -> Result<(Vec<Rc<Node>>, Extent), Finding> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Some((Event::SequenceEnd, span)) => return Ok((items, extent(&span))),
                None => return Ok((items, Extent::default())),
                Some((event, span)) => items.push(self.node(event, &span)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<(Vec<Entry>, Extent), Finding> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = match self.next()? {
                Some((Event::MappingEnd, span)) => return Ok((entries, extent(&span))),
                None => return Ok((entries, Extent::default())),
                Some(next) => next,
            };
            let key = self.node(event, &span)?;
            let Some((event, span)) = self.next()? else { return Ok((entries, Extent::default())) };
            let value = self.node(event, &span)?;
            let Some(name) = key.text() else {
                self.log.report(Code::WrongType, key.at, format!("a key is text, not {}", key.describe()));
                continue;
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == name) {
                let line = self.text[..first.at.start].matches('\n').count() + 1;
                self.log.report(
                    Code::DuplicateKey,
                    key.at,
                    format!("the key `{name}` is given twice: first on line {line}"),
                );
                continue;
            }
            entries.push(Entry { key: name.to_owned(), at: key.at, value });
        }
    }
}

/// From the start of a collection to its closing bracket, or to its last value where it has none.
fn covering(start: Extent, last: Extent, end: Extent) -> Extent {
    let bracketed = end.end > end.start;
    Extent::new(start.start, if bracketed { end.end } else { last.end })
}

fn extent(span: &Span) -> Extent {
    let range = span.byte_range().unwrap_or_default();
    Extent::new(range.start, range.end)
}
