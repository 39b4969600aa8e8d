//! Expressions with calls in them, taken apart in order of evaluation.

use quote::ToTokens;
use syn::{BinOp, Expr, UnOp, parse_quote, spanned::Spanned};

use super::{Builder, Dest, rules, suspends};

impl Builder<'_> {
    /// Lowers an expression with calls in it; gives an expression without, for the same value.
    pub(super) fn value(&mut self, expr: &Expr) -> Expr {
        if !suspends(expr) {
            return self.glue(expr);
        }
        let mut expr = expr.clone();
        match &mut expr {
            Expr::Await(awaited) => {
                let Expr::Call(call) = super::unwrapped(&awaited.base) else {
                    unreachable!("`rules` has refused every other `.await`")
                };
                return self.awaited(call);
            }
            Expr::Call(call) if rules::is_join(call).is_some() => return self.awaited(call),
            Expr::If(_)
            | Expr::Match(_)
            | Expr::Block(_)
            | Expr::Loop(_)
            | Expr::While(_)
            | Expr::ForLoop(_) => {
                let var = self.temporary(expr.span());
                self.expr(&expr, Dest::Var(var));
                return self.path(var);
            }
            Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => {
                self.expr(&expr, Dest::Discard);
                return parse_quote!(::core::unreachable!());
            }
            Expr::Binary(binary) if matches!(binary.op, BinOp::And(_) | BinOp::Or(_)) => {
                // The right side is evaluated only if it matters.
                let (left, right) = (&binary.left, &binary.right);
                let lazy: Expr = match binary.op {
                    BinOp::And(_) => parse_quote!(if #left { #right } else { false }),
                    _ => parse_quote!(if #left { true } else { #right }),
                };
                let drawn = self.outline.len();
                let value = self.value(&lazy);
                if let Some(super::Outline::Choice { on, .. }) = self.outline.get_mut(drawn) {
                    *on = compact(&expr);
                }
                return value;
            }
            Expr::Binary(binary) if is_compound(&binary.op) => *binary.right = self.value(&binary.right),
            Expr::Binary(binary) => self.in_order(vec![&mut binary.left, &mut binary.right]),
            Expr::Assign(assign) => *assign.right = self.value(&assign.right),
            Expr::Try(tried) => *tried.expr = self.value(&tried.expr),
            Expr::Paren(paren) => *paren.expr = self.value(&paren.expr),
            Expr::Group(group) => *group.expr = self.value(&group.expr),
            Expr::Unary(unary) => *unary.expr = self.value(&unary.expr),
            Expr::Cast(cast) => *cast.expr = self.value(&cast.expr),
            Expr::Field(field) => *field.base = self.value(&field.base),
            Expr::Reference(reference) => *reference.expr = self.value(&reference.expr),
            Expr::Index(index) => self.in_order(vec![&mut index.expr, &mut index.index]),
            Expr::Call(call) => self.in_order(call.args.iter_mut().map(named_argument).collect()),
            Expr::MethodCall(call) => {
                let parts = std::iter::once(&mut *call.receiver).chain(&mut call.args).collect();
                self.in_order(parts);
            }
            Expr::Tuple(tuple) => self.in_order(tuple.elems.iter_mut().collect()),
            Expr::Array(array) => self.in_order(array.elems.iter_mut().collect()),
            Expr::Repeat(repeat) => *repeat.expr = self.value(&repeat.expr),
            Expr::Range(range) => {
                let parts = range.start.iter_mut().chain(&mut range.end).map(|part| &mut **part).collect();
                self.in_order(parts);
            }
            Expr::Struct(literal) => {
                let fields = literal.fields.iter_mut().map(|field| &mut field.expr);
                self.in_order(fields.chain(literal.rest.iter_mut().map(|rest| &mut **rest)).collect());
            }
            _ => {}
        }
        expr
    }

    /// The arguments of a call, lowered.
    pub(super) fn operands(&mut self, mut args: Vec<Expr>) -> Vec<Expr> {
        self.in_order(args.iter_mut().collect());
        args
    }

    /// Lowers operands from left to right. What comes before a call is evaluated before it.
    fn in_order(&mut self, mut parts: Vec<&mut Expr>) {
        let last = parts.iter().rposition(|part| suspends(part));
        for (i, part) in parts.iter_mut().enumerate() {
            **part = self.value(part);
            if last.is_some_and(|last| i < last) && !can_wait(part) {
                let var = self.temporary(part.span());
                self.assign(var, (**part).clone());
                **part = self.path(var);
            }
        }
    }
}

/// The value of a macro's `name = value`, or the argument itself.
fn named_argument(arg: &mut Expr) -> &mut Expr {
    match arg {
        Expr::Assign(assign) => &mut assign.right,
        other => other,
    }
}

/// Whether it makes no difference if the operand is evaluated after a later one: places and
/// constants.
fn can_wait(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(_) | Expr::Path(_) | Expr::Closure(_) => true,
        Expr::Field(field) => can_wait(&field.base),
        Expr::Reference(reference) => can_wait(&reference.expr),
        Expr::Paren(paren) => can_wait(&paren.expr),
        Expr::Unary(unary) => matches!(unary.op, UnOp::Deref(_) | UnOp::Neg(_)) && can_wait(&unary.expr),
        _ => false,
    }
}

fn is_compound(op: &BinOp) -> bool {
    use BinOp::*;
    matches!(
        op,
        AddAssign(_)
            | SubAssign(_)
            | MulAssign(_)
            | DivAssign(_)
            | RemAssign(_)
            | BitXorAssign(_)
            | BitAndAssign(_)
            | BitOrAssign(_)
            | ShlAssign(_)
            | ShrAssign(_)
    )
}

/// Code as a short text, for drawings.
pub(super) fn compact(tokens: &impl ToTokens) -> String {
    const LONGEST: usize = 48;
    let mut text = tokens.to_token_stream().to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    for (spaced, tight) in [
        (" . ", "."),
        (" :: ", "::"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ,", ","),
        (" ?", "?"),
        ("& ", "&"),
        (" [", "["),
        ("[ ", "["),
        (" ]", "]"),
        (" ;", ";"),
        (" !", "!"),
        ("! ", "!"),
        ("< ", "< "),
        ("| ", "| "),
        (".await.", ".await."),
    ] {
        text = text.replace(spaced, tight);
    }
    if text.chars().count() > LONGEST {
        text = text.chars().take(LONGEST - 1).chain(['…']).collect();
    }
    text
}
