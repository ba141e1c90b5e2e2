//! SOAP 1.1, as much of it as the services need: envelopes out, trees of elements in.

use injixo_core::{Error, ErrorKind, Result};
use quick_xml::Reader;
use quick_xml::events::Event;

/// An element of an answer, by its name without a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Self>,
}

/// Deeper elements than any answer has.
const DEEPEST: usize = 64;

impl Element {
    /// The root of a document.
    pub(crate) fn parse(document: &[u8]) -> Result<Self> {
        let wrong = |message: &str| Error::new(ErrorKind::Protocol, format!("the answer is no XML: {message}"));
        let text = std::str::from_utf8(document).map_err(|_| wrong("it is not in UTF-8"))?;
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().map_err(|_| wrong("it is broken"))? {
                Event::Start(start) => {
                    if open.len() > DEEPEST {
                        return Err(wrong("it is nested too deep"));
                    }
                    open.push(Self::named(start.local_name().as_ref()));
                }
                Event::Empty(start) => {
                    let element = Self::named(start.local_name().as_ref());
                    open.last_mut().ok_or_else(|| wrong("it is broken"))?.children.push(element);
                }
                Event::End(_) => {
                    let ended = open.pop().ok_or_else(|| wrong("it is broken"))?;
                    open.last_mut().ok_or_else(|| wrong("it is broken"))?.children.push(ended);
                }
                Event::Text(text) => {
                    open.last_mut().ok_or_else(|| wrong("it is broken"))?.text.push_str(&text);
                }
                Event::CData(text) => {
                    open.last_mut().ok_or_else(|| wrong("it is broken"))?.text.push_str(&text);
                }
                Event::GeneralRef(name) => {
                    let resolved = match name.resolve_char_ref() {
                        Ok(Some(c)) => c,
                        _ => match &*name {
                            "amp" => '&',
                            "lt" => '<',
                            "gt" => '>',
                            "quot" => '"',
                            "apos" => '\'',
                            _ => return Err(wrong("it holds an entity of its own")),
                        },
                    };
                    open.last_mut().ok_or_else(|| wrong("it is broken"))?.text.push(resolved);
                }
                Event::DocType(_) => return Err(wrong("it holds a document type")),
                Event::Eof => break,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            }
        }
        let cut = || Error::new(ErrorKind::Unavailable, "the answer was cut off");
        match open.as_mut_slice() {
            [document] if document.children.is_empty() && !document.text.trim().is_empty() => {
                Err(wrong("it is a text"))
            }
            [document] if document.children.len() == 1 => document.children.pop().ok_or_else(cut),
            _ => Err(cut()),
        }
    }

    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The first child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Every child of that name.
    pub(crate) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of that name, empty if there is none.
    pub(crate) fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| child.text.trim())
    }
}

/// Builds the children of a request, in order.
#[derive(Debug, Default)]
pub(crate) struct Children(String);

impl Children {
    pub(crate) fn text(mut self, name: &str, text: &str) -> Self {
        self.0.push_str(&format!("<{name}>"));
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                c => self.0.push(c),
            }
        }
        self.0.push_str(&format!("</{name}>"));
        self
    }

    pub(crate) fn within(mut self, name: &str, children: &Self) -> Self {
        self.0.push_str(&format!("<{name}>{}</{name}>", children.0));
        self
    }
}

/// The envelope of a request.
pub(crate) fn envelope(namespace: &str, operation: &str, children: &Children) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:ser=\"{namespace}\">\
         <soapenv:Header/><soapenv:Body><ser:{operation}>{}</ser:{operation}></soapenv:Body></soapenv:Envelope>",
        children.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_do_not_matter_and_texts_are_whole() {
        let document =
            b"<?xml version='1.0'?><e:Envelope xmlns:e='x'><e:Body><n:r xmlns:n='y'><return>a &amp; b&#x20AC;\n\
            &lt;c><![CDATA[ & d]]></return><return/></n:r></e:Body></e:Envelope>";
        let root = Element::parse(document).unwrap();
        let response = root.child("Body").unwrap().child("r").unwrap();
        let texts: Vec<&str> = response.all("return").map(|element| element.text.as_str()).collect();
        assert_eq!(texts, ["a & b\u{20ac}\n<c> & d", ""]);
    }

    #[test]
    fn what_was_cut_off_may_be_asked_for_again_and_what_is_hostile_may_not() {
        for cut in ["", "<a", "<a><b>", "<a>text"] {
            let error = Element::parse(cut.as_bytes()).unwrap_err();
            assert!(error.is_retryable() || cut == "<a", "{cut}: {error}");
        }
        let deep = "<a>".repeat(1_000);
        for hostile in ["<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a>&b;</a>", "<a></b>", &deep, "\u{0}"] {
            assert!(Element::parse(hostile.as_bytes()).is_err(), "{hostile}");
        }
        assert!(Element::parse(b"<a>\xff</a>").is_err());
    }

    #[test]
    fn whatever_a_text_holds_stays_a_text() {
        let children = Children::default().text("name", "a<b>&\"c\"").within("in", &Children::default().text("x", "1"));
        let text = envelope("urn:x", "run", &children);
        let root = Element::parse(text.as_bytes()).unwrap();
        let run = root.child("Body").unwrap().child("run").unwrap();
        assert_eq!(run.text_of("name"), "a<b>&\"c\"");
        assert_eq!(run.child("in").unwrap().text_of("x"), "1");
    }
}
