//! What is waited for, as nodes: calls, and fan-outs with their branches.

use proc_macro2::Span;
use syn::{Expr, ExprCall, parse_quote, spanned::Spanned};

use super::{Builder, Dest, binding, operands::compact};
use crate::lower::{
    NodeId, NodeKind, Op, Outcomes, Outline, Over, Region, RegionId, SeqId,
    constructs::{FanOut, Join, is_fan_out, is_join},
    path_ident,
};

impl Builder<'_> {
    /// Waits for a call, a `fan_out`, a `join!` or what is like them; gives its value.
    pub(super) fn awaited(&mut self, call: &ExprCall) -> Expr {
        if let Some(together) = is_join(call) {
            return self.join(call, together);
        }
        if let Some(each) = is_fan_out(&call.func) {
            return self.fan_out(call, each);
        }
        let Some(function) = path_ident(&call.func).and_then(|ident| self.model.function(ident)) else {
            unreachable!("`rules` has refused every other call")
        };
        let args = self.operands(call.args.iter().cloned().collect());
        let name = self.model.functions[function].ident.to_string();
        let node = self.node(&name, NodeKind::Call { function });
        self.outline.push(Outline::Call(node));
        let resume = self.new_state();
        self.out.nodes[node].resume = resume;
        let reachable = self.cursor.is_some();
        self.leave(Op::Call { node, function, args, resume });
        if reachable {
            self.open(resume);
        }
        let outcome = self.temporary(call.func.span());
        let (pat, ty) =
            (binding(&self.out.vars[outcome].ident), self.model.functions[function].output.clone());
        self.push(Op::Outcome { pat, ty: Box::new(ty) });
        self.path(outcome)
    }

    fn fan_out(&mut self, call: &ExprCall, each: FanOut) -> Expr {
        let args: Vec<&Expr> = call.args.iter().collect();
        let (first, items, closure) = match args[..] {
            [items, Expr::Closure(closure)] => (None, items, closure),
            [first, items, Expr::Closure(closure)] => (Some(first), items, closure),
            _ => unreachable!("`rules` has checked the arguments"),
        };
        let over_text = compact(items);
        let (name, items) = match first {
            None => ("map", self.value(items)),
            Some(first) => ("first", self.value(&parse_quote!((#first, #items)))),
        };
        let node = self.node(name, NodeKind::Join { home: 0, branches: None, first: first.map(compact) });
        let output = match &closure.output {
            syn::ReturnType::Type(_, ty) => Some((**ty).clone()),
            syn::ReturnType::Default => None,
        };
        let pat = closure.inputs[0].clone();
        let (region, branch, body) = self.branch(output, closure.body.span(), |this| {
            this.declare(&pat);
            this.expr(&closure.body, Dest::Return);
        });
        self.out.regions[region].is_counted = each == FanOut::FirstOk;
        self.outline.push(Outline::Map { node, over: over_text, body });
        let over = Over::Items { items: Box::new(items), pat: Box::new(pat), branch };
        let fallible = each != FanOut::All;
        self.fork(node, over, Outcomes::Map { region, fallible }, call.func.span())
    }

    fn join(&mut self, call: &ExprCall, together: Join) -> Expr {
        let (name, first) = match together {
            Join::All | Join::Try => ("join", None),
            Join::Race => ("race", Some("1".to_owned())),
        };
        let node = self.node(name, NodeKind::Join { home: 0, branches: Some(call.args.len()), first });
        let (mut regions, mut branches, mut drawn) = (Vec::new(), Vec::new(), Vec::new());
        for branch in &call.args {
            let (region, seq, body) = self.branch(None, branch.span(), |this| match branch {
                Expr::Async(block) => this.block(&block.block, Dest::Return),
                Expr::Call(call) => {
                    let value = this.awaited(call);
                    this.deliver(value, Dest::Return);
                }
                _ => unreachable!("`rules` has checked the branches"),
            });
            self.out.regions[region].is_counted = together == Join::Race;
            regions.push(region);
            branches.push(seq);
            drawn.push(body);
        }
        self.outline.push(Outline::Join { node, branches: drawn });
        let outcomes = match together {
            Join::All => Outcomes::Tuple { regions, fallible: false },
            Join::Try => Outcomes::Tuple { regions, fallible: true },
            Join::Race => Outcomes::Winner { regions },
        };
        self.fork(node, Over::Branches(branches), outcomes, call.func.span())
    }

    /// Lowers the body of a branch, in a region of its own.
    fn branch(
        &mut self,
        output: Option<syn::Type>,
        span: Span,
        body: impl FnOnce(&mut Self),
    ) -> (RegionId, SeqId, Vec<Outline>) {
        self.out.regions.push(Region { parent: Some(self.region), output, span, is_counted: false });
        let region = self.out.regions.len() - 1;
        let around =
            (self.cursor, self.region, std::mem::take(&mut self.loops), std::mem::take(&mut self.outline));
        self.region = region;
        let seq = self.new_seq();
        self.cursor = Some(seq);
        body(self);
        let drawn = std::mem::take(&mut self.outline);
        (self.cursor, self.region, self.loops, self.outline) = around;
        (region, seq, drawn)
    }

    fn fork(&mut self, node: NodeId, over: Over, from: Outcomes, span: Span) -> Expr {
        let resume = self.new_state();
        self.out.nodes[node].resume = resume;
        let reachable = self.cursor.is_some();
        self.leave(Op::Fork { node, over, resume });
        if reachable {
            self.open(resume);
        }
        let var = self.temporary(span);
        self.push(Op::Branches { var, from });
        self.path(var)
    }
}
