//! Values of attributes, and tables of them.

/// A value of an attribute.
pub(super) trait Attribute: Sized {
    fn from_text(text: &str) -> Option<Self>;
    fn to_text(&self) -> String;
}

impl Attribute for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
    fn to_text(&self) -> String {
        self.clone()
    }
}

impl Attribute for bool {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().to_ascii_lowercase().parse().ok()
    }
    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl Attribute for u32 {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
    fn to_text(&self) -> String {
        self.to_string()
    }
}

/// Kinds of the caller's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inputs {
    /// None of it.
    None,
    /// Keys.
    Dtmf,
    /// Speech.
    Speech,
    /// Both.
    Any,
}

impl Inputs {
    /// Whether speech counts.
    #[must_use]
    pub fn speech(self) -> bool {
        matches!(self, Self::Speech | Self::Any)
    }

    /// Whether keys count.
    #[must_use]
    pub fn dtmf(self) -> bool {
        matches!(self, Self::Dtmf | Self::Any)
    }
}

impl Attribute for Inputs {
    fn from_text(text: &str) -> Option<Self> {
        Some(match text.trim() {
            "none" | "false" => Self::None,
            "dtmf" => Self::Dtmf,
            "speech" => Self::Speech,
            "any" | "true" => Self::Any,
            _ => return None,
        })
    }
    fn to_text(&self) -> String {
        match self {
            Self::None => "none",
            Self::Dtmf => "dtmf",
            Self::Speech => "speech",
            Self::Any => "any",
        }
        .to_owned()
    }
}

/// An attribute that does not exist, or a value that it cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAttribute {
    /// There is no attribute of this name; names are case-sensitive.
    #[error("no attribute is called `{0}`")]
    Unknown(String),
    /// The attribute cannot have this value.
    #[error("`{1}` is not a value of the attribute `{0}`")]
    Value(&'static str, String),
}

/// Declares a struct of optional attributes that can be read from XML and written to it.
macro_rules! attributes {
    ($(#[$meta:meta])* pub struct $table:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty = $name:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $table {
            $(#[doc = concat!("`", $name, "`. ")] $(#[$field_meta])* pub $field: Option<$type>,)*
        }

        impl $table {
            /// The names of all attributes, as in XML.
            pub const NAMES: &[&str] = &[$($name),*];

            /// Sets the attribute of this name from text, such as a line of configuration.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), BadAttribute> {
                match name {
                    $($name => {
                        let read = <$type as $crate::twilio::twiml::attribute::Attribute>::from_text;
                        let bad = || BadAttribute::Value($name, value.to_owned());
                        self.$field = Some(read(value).ok_or_else(bad)?);
                    })*
                    unknown => return Err(BadAttribute::Unknown(unknown.to_owned())),
                }
                Ok(())
            }

            pub(super) fn take(element: &mut Element) -> Self {
                Self { $($field: element.take($name),)* }
            }

            pub(super) fn put(&self, element: &mut Element) {
                $(element.set($name, self.$field.as_ref());)*
            }
        }
    };
}

pub(super) use attributes;
