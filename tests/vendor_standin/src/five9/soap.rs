//! SOAP 1.1 as the service's schema has it: read strictly, written with the service's prefixes.
//!
//! Only the wrapper of an operation is in the service's namespace; its children have none and come in the order of the schema.

use std::fmt::Write;

use roxmltree::{Document, Node};

use crate::serve::Answer;

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// The namespace of the Configuration Web Services.
pub(super) const ADMIN: &str = "http://service.admin.ws.five9.com/";
/// The namespace of the Statistics Web Services.
pub(super) const SUPERVISOR: &str = "http://service.supervisor.ws.five9.com/";

/// A fault: the name of the element in `detail`, its fields in order, and the text.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) name: String,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) text: String,
}

impl Fault {
    /// A fault with nothing but a message.
    pub(super) fn new(name: &str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { name: name.to_owned(), fields: vec![("message", text.clone())], text }
    }

    /// A request that the schema does not allow; it has no detail.
    fn schema(text: impl std::fmt::Display) -> Self {
        Self { name: String::new(), fields: Vec::new(), text: format!("Unmarshalling Error: {text}") }
    }

    pub(super) fn answer(&self, namespace: &str) -> Answer {
        let code = if self.name.is_empty() { "env:Client" } else { "env:Server" };
        let mut body =
            format!("<env:Fault><faultcode>{code}</faultcode><faultstring>{}</faultstring>", escaped(&self.text));
        if !self.name.is_empty() {
            let _ = write!(body, "<detail><ns2:{} xmlns:ns2=\"{namespace}\">", self.name);
            for (name, value) in &self.fields {
                element(&mut body, name, value);
            }
            let _ = write!(body, "</ns2:{}></detail>", self.name);
        }
        body.push_str("</env:Fault>");
        envelope(500, &body)
    }
}

/// The answer of an operation, around the text of its `return` elements.
pub(super) fn answer(namespace: &str, operation: &str, returns: &str) -> Answer {
    envelope(200, &format!("<ns2:{operation}Response xmlns:ns2=\"{namespace}\">{returns}</ns2:{operation}Response>"))
}

fn envelope(status: u16, body: &str) -> Answer {
    let text = format!(
        "<?xml version='1.0' encoding='UTF-8'?><env:Envelope xmlns:env=\"{ENVELOPE}\"><env:Header/>\
         <env:Body>{body}</env:Body></env:Envelope>"
    );
    Answer::new(status, "text/xml;charset=UTF-8", text)
}

/// Writes `<name>value</name>`.
pub(super) fn element(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, "<{name}>{}</{name}>", escaped(value));
}

pub(super) fn escaped(text: &str) -> String {
    // A carriage return would be read as a line feed.
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#xD;")
}

/// The name of the operation in an envelope, for the log; empty when it cannot be read.
pub(super) fn operation(text: &str) -> String {
    let Ok(document) = Document::parse(text) else { return String::new() };
    body(&document).map_or(String::new(), |wrapper| wrapper.tag_name().name().to_owned())
}

/// The wrapper of the operation.
pub(super) fn wrapper<'a>(document: &'a Document<'a>, namespace: &str) -> Result<Node<'a, 'a>, Fault> {
    let wrapper = body(document)?;
    if wrapper.tag_name().namespace() != Some(namespace) {
        let found = wrapper.tag_name().namespace().unwrap_or("");
        return Err(Fault::schema(format_args!(
            "Unexpected wrapper element {{{found}}}{} found, expected {{{namespace}}}",
            wrapper.tag_name().name()
        )));
    }
    Ok(wrapper)
}

/// Reads a document.
pub(super) fn document(text: &str) -> Result<Document<'_>, Fault> {
    Document::parse(text).map_err(Fault::schema)
}

fn body<'a>(document: &'a Document<'a>) -> Result<Node<'a, 'a>, Fault> {
    let root = document.root_element();
    if !root.has_tag_name((ENVELOPE, "Envelope")) {
        return Err(Fault::schema("this is no SOAP 1.1 envelope"));
    }
    let parts: Vec<_> = root.children().filter(Node::is_element).collect();
    let body = match parts.as_slice() {
        [body] => body,
        [header, body] if header.has_tag_name((ENVELOPE, "Header")) => body,
        _ => return Err(Fault::schema("an envelope holds a header at most, and a body")),
    };
    let mut wrappers = body.children().filter(Node::is_element);
    match (body.has_tag_name((ENVELOPE, "Body")), wrappers.next(), wrappers.next()) {
        (true, Some(wrapper), None) => Ok(wrapper),
        _ => Err(Fault::schema("a body holds one operation")),
    }
}

/// The children of an element by the schema: their names in order, those with `*` any number of times.
#[derive(Debug)]
pub(super) struct Children<'a>(Vec<Node<'a, 'a>>);

impl<'a> Children<'a> {
    pub(super) fn of(node: Node<'a, 'a>, schema: &[&str]) -> Result<Self, Fault> {
        let mut place = 0;
        let children: Vec<_> = node.children().filter(Node::is_element).collect();
        for child in &children {
            let name = child.tag_name().name();
            let found = schema[place..].iter().position(|known| known.trim_end_matches('*') == name);
            let (Some(found), None) = (found, child.tag_name().namespace()) else {
                let namespace = child.tag_name().namespace().unwrap_or("");
                let expected = schema[place..].iter().map(|name| format!("<{{}}{}>", name.trim_end_matches('*')));
                return Err(Fault::schema(format_args!(
                    "unexpected element (uri:\"{namespace}\", local:\"{name}\"). Expected elements are {}",
                    expected.collect::<Vec<_>>().join(",")
                )));
            };
            place += found + usize::from(!schema[place + found].ends_with('*'));
        }
        Ok(Self(children))
    }

    /// The first child of a name.
    pub(super) fn node(&self, name: &str) -> Option<Node<'a, 'a>> {
        self.0.iter().find(|child| child.tag_name().name() == name).copied()
    }

    /// All children of a name.
    pub(super) fn nodes<'b>(&'b self, name: &'b str) -> impl Iterator<Item = Node<'a, 'a>> + 'b {
        self.0.iter().filter(move |child| child.tag_name().name() == name).copied()
    }

    /// The text of a child.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.node(name).map(|node| node.text().unwrap_or(""))
    }

    /// The whole number in a child.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Fault> {
        let number = |text: &str| {
            text.trim().parse().map_err(|_| Fault::schema(format_args!("Not a number: {text} in element {name}")))
        };
        self.text(name).map(number).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_read_in_the_order_of_the_schema() {
        let read = |text: &str| {
            let document = document(text).unwrap();
            Children::of(document.root_element(), &["end", "start", "more*"]).map(|children| children.0.len()).ok()
        };
        assert_eq!(read("<t><end/><start/><more/><more/></t>"), Some(4));
        assert_eq!(read("<t><more/></t>"), Some(1));
        assert_eq!(read("<t><start/><end/></t>"), None);
        assert_eq!(read("<t><end/><end/></t>"), None);
        assert_eq!(read("<t><x:end xmlns:x='u'/></t>"), None);
        assert_eq!(read("<t><other/></t>"), None);
    }
}
