//! What the user wrote, as items with their tokens: parsed, not yet checked.
//!
//! Data and ways to walk it, in source order. Must not judge: names may repeat, or be unknown.

use proc_macro2::{Group, Ident, TokenStream};
use syn::{LitStr, Signature, Type, Visibility, ext::IdentExt};

use crate::{
    attr::{FunctionArgs, WorkflowArgs},
    model::Provider,
};

/// The content of a `workflow!`, in source order.
pub(crate) struct Source {
    pub(crate) items: Vec<Item>,
}

pub(crate) enum Item {
    Cloud(CloudItem),
    Function(Box<FnItem>),
    /// Anything that passes through untouched.
    Other(OtherItem),
    /// One of our items whose syntax rustc refuses, and reports.
    Broken(BrokenItem),
}

/// `const NAME: Cloud = …;`
pub(crate) struct CloudItem {
    pub(crate) ident: Ident,
    /// `None` when the initialiser is not one of the two forms; that is reported already.
    pub(crate) value: Option<(Provider, LitStr)>,
    pub(crate) cfg: Option<TokenStream>,
    pub(crate) tokens: TokenStream,
    /// Whether rustc, too, would refuse the initialiser: for which type it then stands in.
    pub(crate) stand_in: Option<Box<Type>>,
}

/// A function with one of our attributes.
pub(crate) struct FnItem {
    pub(crate) role: Role,
    /// The word `function` or `workflow` of the attribute.
    pub(crate) marker: Ident,
    pub(crate) doc: String,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// `None` for `async fn f();`, which rustc reports.
    pub(crate) body: Option<Group>,
    /// Its other attributes.
    pub(crate) attributes: TokenStream,
    pub(crate) cfg: Option<TokenStream>,
    /// What is emitted for it.
    pub(crate) tokens: TokenStream,
}

pub(crate) enum Role {
    Function(Box<FunctionArgs>),
    Workflow(WorkflowArgs),
}

pub(crate) struct OtherItem {
    /// The name of a `struct`, `enum`, `union`, `type` or `trait`.
    pub(crate) type_ident: Option<Ident>,
    /// The name of an `async fn` without an attribute.
    pub(crate) async_fn: Option<Ident>,
    pub(crate) tokens: TokenStream,
}

pub(crate) struct BrokenItem {
    pub(crate) kind: BrokenKind,
    /// The name, as far as it is typed.
    pub(crate) ident: Option<Ident>,
    pub(crate) tokens: TokenStream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokenKind {
    Cloud,
    Function,
    Workflow,
}

impl Source {
    pub(crate) fn clouds(&self) -> impl Iterator<Item = &CloudItem> {
        self.items.iter().filter_map(|item| match item {
            Item::Cloud(cloud) => Some(cloud),
            _ => None,
        })
    }

    /// Functions and workflows.
    pub(crate) fn fns(&self) -> impl Iterator<Item = &FnItem> {
        self.items.iter().filter_map(|item| match item {
            Item::Function(function) => Some(&**function),
            _ => None,
        })
    }

    pub(crate) fn functions(&self) -> impl Iterator<Item = (&FnItem, &FunctionArgs)> {
        self.fns().filter_map(|item| match &item.role {
            Role::Function(args) => Some((item, &**args)),
            Role::Workflow(_) => None,
        })
    }

    pub(crate) fn workflows(&self) -> impl Iterator<Item = (&FnItem, &WorkflowArgs)> {
        self.fns().filter_map(|item| match &item.role {
            Role::Workflow(args) => Some((item, args)),
            Role::Function(_) => None,
        })
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = &OtherItem> {
        self.items.iter().filter_map(|item| match item {
            Item::Other(other) => Some(other),
            _ => None,
        })
    }

    pub(crate) fn broken(&self, kind: BrokenKind) -> impl Iterator<Item = &BrokenItem> {
        self.items.iter().filter_map(move |item| match item {
            Item::Broken(broken) if broken.kind == kind => Some(broken),
            _ => None,
        })
    }
}

impl Item {
    /// The item as it is emitted: as written. A function is `async` because we ask for it, so that
    /// nobody need be told when it waits for nothing.
    pub(crate) fn emitted(&self) -> TokenStream {
        match self {
            Item::Function(item) => {
                let tokens = &item.tokens;
                quote::quote!(#[allow(clippy::unused_async)] #tokens)
            }
            other => other.tokens().clone(),
        }
    }

    /// What the user wrote, minus our attributes.
    pub(crate) fn tokens(&self) -> &TokenStream {
        match self {
            Item::Cloud(item) => &item.tokens,
            Item::Function(item) => &item.tokens,
            Item::Other(item) => &item.tokens,
            Item::Broken(item) => &item.tokens,
        }
    }
}

impl FnItem {
    /// The attribute in prose.
    pub(crate) fn role_name(&self) -> &'static str {
        match self.role {
            Role::Function(_) => "a `#[function]`",
            Role::Workflow(_) => "a `#[workflow]`",
        }
    }
}

/// The name in CamelCase: the type that stands for the workflow.
pub(crate) fn camel_case(ident: &Ident) -> Ident {
    let name = ident.unraw().to_string();
    let mut camel = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        camel.extend(letters);
    }
    if camel == "Self" || !camel.starts_with(|first: char| first.is_alphabetic()) {
        camel = format!("Workflow{camel}");
    }
    Ident::new(&camel, ident.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camel(name: &str) -> String {
        camel_case(&syn::parse_str::<Ident>(name).unwrap()).to_string()
    }

    #[test]
    fn the_type_is_the_name_in_camel_case() {
        assert_eq!(camel("video_analytics"), "VideoAnalytics");
        assert_eq!(camel("step2_done"), "Step2Done");
        assert_eq!(camel("_hidden__name_"), "HiddenName");
        assert_eq!(camel("r#match"), "Match");
        assert_eq!(camel("écoute"), "Écoute");
    }

    #[test]
    fn a_name_that_gives_no_type_name_gets_a_prefix() {
        assert_eq!(camel("_1"), "Workflow1");
        assert_eq!(camel("__"), "Workflow");
        assert_eq!(camel("self_"), "WorkflowSelf");
    }
}
