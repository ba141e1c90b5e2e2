//! The types of expressions, as far as their text tells.

use crate::lexer::{Kind, Node, Token, commas};
use crate::translate::Translator;
use crate::types::Type;

impl Translator<'_> {
    /// The type of an expression; `None` where only the database knows.
    pub(crate) fn type_of(&self, nodes: &[Node]) -> Option<Type> {
        // A long chain of operators is left to the database.
        if nodes.len() > 40 {
            return None;
        }
        match nodes {
            [Node::Token(token)] => self.token_type(token),
            [Node::Group(inner, _)] if !nodes[0].is_query() => self.type_of(inner),
            [sign, Node::Token(number)] if sign.is_symbol("-") => self.token_type(number),
            [Node::Token(name), Node::Group(inner, _)] if name.kind == Kind::Word => self.call_type(name, inner),
            [Node::Token(name), Node::Group(..), over, Node::Group(..)] if over.is("OVER") => self.type_of(&nodes[..2]),
            [case, .., end] if case.is("CASE") && end.is("END") => {
                let start = nodes.iter().position(|node| node.is("THEN"))? + 1;
                let length = nodes[start..].iter().position(|node| node.is_any(&["WHEN", "ELSE", "END"]))?;
                self.type_of(&nodes[start..start + length])
            }
            _ => {
                let at = nodes
                    .iter()
                    .position(|node| ["+", "-", "*", "/", "%"].iter().any(|operator| node.is_symbol(operator)))?;
                let (left, right) = (self.type_of(&nodes[..at])?, self.type_of(&nodes[at + 1..])?);
                match (left, right) {
                    (left, right) if left == right => Some(left),
                    (Type::Float, _) | (_, Type::Float) => Some(Type::Float),
                    (Type::BigInt, Type::Int) | (Type::Int, Type::BigInt) => Some(Type::BigInt),
                    (left, right) if left.is_text() && right.is_text() => Some(Type::NVarChar(4000)),
                    _ => None,
                }
            }
        }
    }

    fn token_type(&self, token: &Token) -> Option<Type> {
        match token.kind {
            Kind::Text => {
                let letters = u16::try_from(token.text.encode_utf16().count()).ok().filter(|letters| *letters <= 4000);
                Some(letters.map_or(Type::NVarCharMax, |letters| Type::NVarChar(letters.max(1))))
            }
            Kind::Variable => match token.text.to_ascii_uppercase().as_str() {
                "@@VERSION" | "@@SERVERNAME" | "@@LANGUAGE" => Some(Type::NVarChar(300)),
                "@@SPID" => Some(Type::SmallInt),
                "@@TRANCOUNT" | "@@ROWCOUNT" | "@@ERROR" => Some(Type::Int),
                other => self.world.parameters.get(&other.to_ascii_lowercase()).copied(),
            },
            Kind::Number if token.text.starts_with("0x") => Some(Type::VarBinary(8000)),
            Kind::Number if token.text.contains(['e', 'E']) => Some(Type::Float),
            Kind::Number => match token.text.split_once('.') {
                Some((whole, fraction)) => {
                    let scale = u8::try_from(fraction.len()).ok()?;
                    let precision = u8::try_from(whole.len()).ok()?.max(1).checked_add(scale)?;
                    (precision <= 38).then_some(Type::Decimal { precision, scale, numeric: true })
                }
                None if token.text.parse::<i32>().is_ok() => Some(Type::Int),
                None => Some(Type::BigInt),
            },
            Kind::Word if token.text.eq_ignore_ascii_case("NULL") => Some(Type::Int),
            Kind::Word if token.text.eq_ignore_ascii_case("CURRENT_TIMESTAMP") => Some(Type::DateTime),
            _ => None,
        }
    }

    fn call_type(&self, name: &Token, inner: &[Node]) -> Option<Type> {
        let arguments = commas(inner);
        match (name.text.to_ascii_uppercase().as_str(), arguments.as_slice()) {
            ("CAST" | "TRY_CAST", [argument]) => {
                let cut = argument.iter().rposition(|node| node.is("AS"))?;
                self.cast_type(&argument[cut + 1..], name.line).ok()
            }
            ("CONVERT" | "TRY_CONVERT", [kind, ..]) => self.cast_type(kind, name.line).ok(),
            ("COUNT" | "DATEDIFF" | "DATEPART" | "LEN" | "CHARINDEX" | "YEAR" | "MONTH" | "DAY", _) => Some(Type::Int),
            ("COUNT_BIG" | "ROW_NUMBER" | "RANK" | "DENSE_RANK" | "DATEDIFF_BIG", _) => Some(Type::BigInt),
            ("GETDATE" | "GETUTCDATE", _) => Some(Type::DateTime),
            ("SWITCHOFFSET", [value, _]) => match self.type_of(value) {
                Some(kind @ Type::DateTimeOffset(_)) => Some(kind),
                _ => Some(Type::DateTimeOffset(7)),
            },
            ("SYSDATETIME" | "SYSUTCDATETIME", _) => Some(Type::DateTime2(7)),
            ("DATEADD", [_, _, value]) => match self.type_of(value) {
                Some(kind @ (Type::Date | Type::DateTime2(_) | Type::DateTimeOffset(_) | Type::SmallDateTime)) => {
                    Some(kind)
                }
                Some(_) => Some(Type::DateTime),
                None => Some(Type::DateTime2(7)),
            },
            (
                "LEFT" | "RIGHT" | "UPPER" | "LOWER" | "LTRIM" | "RTRIM" | "TRIM" | "SUBSTRING" | "REPLACE" | "CONCAT"
                | "STRING_AGG" | "DATENAME",
                _,
            ) => Some(Type::NVarChar(4000)),
            (
                "DB_NAME" | "SUSER_SNAME" | "SUSER_NAME" | "USER_NAME" | "ORIGINAL_LOGIN" | "HOST_NAME" | "APP_NAME",
                _,
            ) => Some(Type::NVarChar(128)),
            ("SERVERPROPERTY" | "DATABASEPROPERTYEX", _) => Some(Type::NVarChar(128)),
            ("NEWID", _) => Some(Type::Guid),
            ("MIN" | "MAX" | "ISNULL" | "COALESCE" | "NULLIF" | "SUM" | "ABS", [value, ..]) => self.type_of(value),
            ("IIF", [_, value, _]) => self.type_of(value),
            _ => None,
        }
    }
}
