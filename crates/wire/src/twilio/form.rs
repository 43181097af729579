//! Forms: ordered pairs of text, and typed views of them.

/// The pairs of a form, in the order of the body.
///
/// A signature covers every pair, so nothing is dropped, not even what is unknown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Parses `application/x-www-form-urlencoded` text, a body or a query. Never fails: invalid
    /// UTF-8 is replaced and invalid escapes are kept, so that no signature matches.
    #[must_use]
    pub fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The form as the text of a body.
    #[must_use]
    pub fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// The first value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The pairs, as a signature takes them.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Appends a pair.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Appends the pairs of another form.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Shows names without values: forms hold phone numbers, and `Debug` output ends up in logs.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A value that one field of a form holds.
pub(crate) trait Field: Sized {
    fn read(form: &Form, name: &str) -> Self;
    fn write(&self, name: &str, form: &mut Form);
}

/// Empty stands for absent, both ways.
impl Field for String {
    fn read(form: &Form, name: &str) -> Self {
        form.get(name).unwrap_or_default().to_owned()
    }
    fn write(&self, name: &str, form: &mut Form) {
        if !self.is_empty() {
            form.push(name, self);
        }
    }
}

/// Empty and absent differ: an empty value clears a setting.
impl Field for Option<String> {
    fn read(form: &Form, name: &str) -> Self {
        form.get(name).map(str::to_owned)
    }
    fn write(&self, name: &str, form: &mut Form) {
        if let Some(value) = self {
            form.push(name, value);
        }
    }
}

/// A name that is repeated.
impl Field for Vec<String> {
    fn read(form: &Form, name: &str) -> Self {
        form.all(name).map(str::to_owned).collect()
    }
    fn write(&self, name: &str, form: &mut Form) {
        for value in self {
            form.push(name, value);
        }
    }
}

impl Field for Option<u64> {
    fn read(form: &Form, name: &str) -> Self {
        form.get(name).and_then(crate::json::whole)
    }
    fn write(&self, name: &str, form: &mut Form) {
        if let Some(value) = self {
            form.push(name, value.to_string());
        }
    }
}

impl Field for Option<bool> {
    fn read(form: &Form, name: &str) -> Self {
        let value = form.get(name)?;
        let is = |word: &str| value.eq_ignore_ascii_case(word);
        (is("true") || is("false")).then(|| is("true"))
    }
    fn write(&self, name: &str, form: &mut Form) {
        if let Some(value) = self {
            form.push(name, value.to_string());
        }
    }
}

/// Makes a word enum a field; its empty `Other` stands for absent.
macro_rules! word_fields {
    ($($name:ty),*) => {$(
        impl $crate::twilio::form::Field for $name {
            fn read(form: &$crate::twilio::form::Form, name: &str) -> Self {
                Self::parse(form.get(name).unwrap_or_default())
            }
            fn write(&self, name: &str, form: &mut $crate::twilio::form::Form) {
                if !self.as_str().is_empty() {
                    form.push(name, self.as_str());
                }
            }
        }
    )*};
}

/// Declares a typed view of a form that can be read and written.
macro_rules! form_view {
    ($(#[$meta:meta])* pub struct $view:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty = $name:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $view {
            $(#[doc = concat!("`", $name, "`. ")] $(#[$field_meta])* pub $field: $type,)*
        }

        impl $view {
            /// Reads the fields. Never fails: missing or invalid fields are empty.
            #[must_use]
            pub fn from_form(form: &$crate::twilio::form::Form) -> Self {
                Self { $($field: $crate::twilio::form::Field::read(form, $name),)* }
            }

            /// Writes the fields that are set.
            #[must_use]
            pub fn to_form(&self) -> $crate::twilio::form::Form {
                let mut form = $crate::twilio::form::Form::default();
                $($crate::twilio::form::Field::write(&self.$field, $name, &mut form);)*
                form
            }
        }
    };
}

pub(crate) use {form_view, word_fields};
