//! Code → text that no formatting changes.
//!
//! White space and comments are no tokens. Beyond these, whatever rustfmt adds, removes or changes
//! without a change of meaning is brought to one form: commas at the end of a list, after an arm of
//! a `match`, around macros' arguments; braces around the one expression of an arm or closure;
//! `((x))`; a `|` before a pattern; `;` after a `return` that ends a block, after a loop, and after
//! nothing; `Vec::<u8>` as a type; `vec!(…)`; `-> ()`. Doc comments and attributes for lints are
//! left out. `(x,)` is a tuple and stays one.
//!
//! Not brought to one form, so that the hash changes with them: the order of `use` items in the
//! body, derives that rustfmt merges, doc comments in macros whose arguments are no expressions, and
//! a comma at the end of the arguments of a macro that is not known, which might tell.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Block, Expr, Macro, MacroDelimiter, PathArguments, ReturnType, Signature, Stmt, Token, Type,
    parse::Parser,
    punctuated::Punctuated,
    visit_mut::{self, VisitMut},
};

pub(super) fn signature(sig: &Signature) -> String {
    let mut sig = sig.clone();
    Normal.visit_signature_mut(&mut sig);
    written(sig.to_token_stream())
}

pub(super) fn block(block: &Block) -> String {
    let mut block = block.clone();
    Normal.visit_block_mut(&mut block);
    written(block.to_token_stream())
}

/// Macros that take expressions, whether or not a comma follows the last.
const PLAIN_MACROS: &[&str] = &[
    "join",
    "try_join",
    "race",
    "vec",
    "format",
    "format_args",
    "print",
    "println",
    "eprint",
    "eprintln",
    "write",
    "writeln",
    "panic",
    "todo",
    "unimplemented",
    "unreachable",
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "matches",
    "dbg",
];

struct Normal;

/// Leaves out the comma at the end of a list. Where one tells a tuple from parentheses, `syn` writes
/// it again.
macro_rules! without_last_comma {
    ($($visit:ident($node:ty) $($list:ident),+;)+) => {$(
        fn $visit(&mut self, node: &mut $node) {
            visit_mut::$visit(self, node);
            $(node.$list.pop_punct();)+
        }
    )+};
}

impl VisitMut for Normal {
    without_last_comma! {
        visit_angle_bracketed_generic_arguments_mut(syn::AngleBracketedGenericArguments) args;
        visit_parenthesized_generic_arguments_mut(syn::ParenthesizedGenericArguments) inputs;
        visit_generics_mut(syn::Generics) params;
        visit_type_fn_ptr_mut(syn::TypeFnPtr) inputs;
        visit_type_tuple_mut(syn::TypeTuple) elems;
        visit_expr_array_mut(syn::ExprArray) elems;
        visit_expr_call_mut(syn::ExprCall) args;
        visit_expr_method_call_mut(syn::ExprMethodCall) args;
        visit_expr_struct_mut(syn::ExprStruct) fields;
        visit_expr_tuple_mut(syn::ExprTuple) elems;
        visit_pat_slice_mut(syn::PatSlice) elems;
        visit_pat_struct_mut(syn::PatStruct) fields;
        visit_pat_tuple_mut(syn::PatTuple) elems;
        visit_pat_tuple_struct_mut(syn::PatTupleStruct) elems;
        visit_fields_named_mut(syn::FieldsNamed) named;
        visit_fields_unnamed_mut(syn::FieldsUnnamed) unnamed;
        visit_item_enum_mut(syn::ItemEnum) variants;
        visit_use_group_mut(syn::UseGroup) items;
        visit_where_clause_mut(syn::WhereClause) predicates;
    }

    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        attributes.retain(|attribute| !is_remark(attribute));
        attributes.iter_mut().for_each(|attribute| self.visit_attribute_mut(attribute));
    }

    fn visit_signature_mut(&mut self, sig: &mut Signature) {
        visit_mut::visit_signature_mut(self, sig);
        sig.inputs.pop_punct();
        if matches!(&sig.output, ReturnType::Type(_, ty) if is_unit(ty)) {
            sig.output = ReturnType::Default;
        }
    }

    fn visit_type_path_mut(&mut self, ty: &mut syn::TypePath) {
        visit_mut::visit_type_path_mut(self, ty);
        for segment in &mut ty.path.segments {
            if let PathArguments::AngleBracketed(generics) = &mut segment.arguments {
                generics.colon2_token = None;
            }
        }
    }

    fn visit_pat_or_mut(&mut self, pat: &mut syn::PatOr) {
        visit_mut::visit_pat_or_mut(self, pat);
        pat.leading_vert = None;
    }

    fn visit_arm_mut(&mut self, arm: &mut syn::Arm) {
        visit_mut::visit_arm_mut(self, arm);
        arm.comma = None;
        without_braces(&mut arm.body);
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut syn::ExprClosure) {
        visit_mut::visit_expr_closure_mut(self, closure);
        closure.inputs.pop_punct();
        if matches!(closure.output, ReturnType::Default) {
            without_braces(&mut closure.body);
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_mut::visit_expr_mut(self, expr);
        while let Expr::Paren(outer) = expr
            && outer.attrs.is_empty()
            && matches!(*outer.expr, Expr::Paren(_))
        {
            *expr = (*outer.expr).clone();
        }
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        visit_mut::visit_block_mut(self, block);
        for stmt in &mut block.stmts {
            if let Stmt::Macro(call) = stmt {
                let (attrs, mac) = (std::mem::take(&mut call.attrs), call.mac.clone());
                *stmt = Stmt::Expr(Expr::Macro(syn::ExprMacro { attrs, mac }), call.semi_token);
            }
        }
        block
            .stmts
            .retain(|stmt| !matches!(stmt, Stmt::Expr(Expr::Verbatim(tokens), _) if tokens.is_empty()));
        let count = block.stmts.len();
        for (i, stmt) in block.stmts.iter_mut().enumerate() {
            let Stmt::Expr(expr, semicolon) = stmt else { continue };
            let is_last = i + 1 == count;
            let is_idle = match expr {
                Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => is_last,
                Expr::While(_) | Expr::ForLoop(_) => true,
                Expr::Loop(_) => !is_last,
                _ => false,
            };
            if is_idle {
                *semicolon = None;
            }
        }
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        visit_mut::visit_macro_mut(self, mac);
        // No macro sees by what it is delimited.
        mac.delimiter = MacroDelimiter::Paren(Default::default());
        let name = mac.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        let is_plain = PLAIN_MACROS.contains(&name.as_str());
        mac.tokens = self.arguments(std::mem::take(&mut mac.tokens), is_plain);
    }
}

impl Normal {
    /// The arguments of a macro: as expressions, if they are.
    fn arguments(&mut self, tokens: TokenStream, is_plain: bool) -> TokenStream {
        let list = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens.clone());
        if let Ok(mut list) = list {
            list.iter_mut().for_each(|expr| self.visit_expr_mut(expr));
            if is_plain {
                list.pop_punct();
            }
            return list.into_token_stream();
        }
        let repeated = |input: syn::parse::ParseStream| {
            Ok((input.parse::<Expr>()?, input.parse::<Token![;]>()?, input.parse::<Expr>()?))
        };
        if let Ok((mut value, semicolon, mut count)) = repeated.parse2(tokens.clone()) {
            self.visit_expr_mut(&mut value);
            self.visit_expr_mut(&mut count);
            return quote!(#value #semicolon #count);
        }
        let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
        if is_plain && matches!(tokens.last(), Some(TokenTree::Punct(comma)) if comma.as_char() == ',') {
            tokens.pop();
        }
        tokens.into_iter().collect()
    }
}

/// Whether an attribute only speaks to people, lints or rustfmt.
fn is_remark(attribute: &Attribute) -> bool {
    let first = attribute.path().segments.first();
    first.is_some_and(|first| {
        ["doc", "allow", "expect", "warn", "deny", "forbid", "rustfmt", "clippy"]
            .iter()
            .any(|name| first.ident == name)
    })
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// `{ x }` → `x`.
fn without_braces(expr: &mut Box<Expr>) {
    while let Expr::Block(outer) = &mut **expr
        && outer.attrs.is_empty()
        && outer.label.is_none()
        && let [Stmt::Expr(inner, None)] = &mut outer.block.stmts[..]
    {
        **expr = inner.clone();
    }
}

/// Writes tokens, one space between two. The compiler's own printing follows the source's white
/// space, and changes from release to release.
fn written(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(&mut text, tokens);
    text
}

fn write(text: &mut String, tokens: TokenStream) {
    let mut run = String::new();
    for token in tokens {
        if let TokenTree::Punct(punct) = &token {
            run.push(punct.as_char());
            if punct.spacing() == Spacing::Joint {
                continue;
            }
        }
        write_operators(text, &std::mem::take(&mut run));
        match token {
            TokenTree::Punct(_) => {}
            TokenTree::Ident(ident) => write_word(text, &ident.to_string()),
            // In quotes, which nothing else has.
            TokenTree::Literal(literal) => write_word(text, &format!("{:?}", literal.to_string())),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("\u{ab}", "\u{bb}"),
                };
                write_word(text, open);
                write(text, group.stream());
                write_word(text, close);
            }
        }
    }
    write_operators(text, &run);
}

fn write_word(text: &mut String, word: &str) {
    text.push_str(word);
    text.push(' ');
}

/// Punctuation without space between, as operators: the longest first, as Rust reads them. So
/// `x=&y` is `x = &y`, and `a & &b` is not `a && b`.
fn write_operators(text: &mut String, mut run: &str) {
    const LONG: &[&str] = &[
        "<<=", ">>=", "...", "..=", "::", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=", "*=",
        "/=", "%=", "^=", "&=", "|=", "<<", ">>", "..", "<-",
    ];
    while let Some(first) = run.chars().next() {
        let long = LONG.iter().find(|operator| run.starts_with(**operator));
        let (operator, rest) = run.split_at(long.map_or(first.len_utf8(), |operator| operator.len()));
        write_word(text, operator);
        run = rest;
    }
}
