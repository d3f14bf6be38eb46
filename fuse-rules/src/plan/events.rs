//! Compiles checked rules to a plan, event by event.

use rustc_hash::FxHashMap;

use super::compile::Compiler;
use super::index;
use super::routes::routes_of;
use super::{Compiled, Conceal, DecodePlan, EventPlan, EventPlans, SensorPlan};
use crate::schema::BodyShape;
use crate::semantics::{Growth, RuleBound};
use crate::typed::{self, Expr, Rules};

pub(crate) fn compile(rules: &Rules) -> Compiled {
    let mut sensors: FxHashMap<(&str, &str), Vec<&typed::Sensor>> = FxHashMap::default();
    for sensor in &rules.sensors {
        for event in &sensor.events {
            sensors.entry(event.as_pair()).or_default().push(sensor);
        }
    }
    let all: Vec<typed::Sensor> = rules.cancellers().collect();
    let mut cancellers: FxHashMap<(&str, &str), Vec<&typed::Sensor>> = FxHashMap::default();
    for canceller in &all {
        for event in &canceller.events {
            cancellers.entry(event.as_pair()).or_default().push(canceller);
        }
    }
    let mut events = EventPlans::default();
    let mut routes = Vec::new();
    for source in &rules.sources {
        let routes = routes_of(rules, source, &mut routes);
        for (event, route) in source.events.iter().zip(routes) {
            let name = (&*source.name, &*event.name);
            let sensors = sensors.remove(&name).unwrap_or_default();
            let cancellers = cancellers.remove(&name).unwrap_or_default();
            let plan = event_plan(rules, event, route, (&sensors, &cancellers));
            events.insert(&source.name, &event.name, plan);
        }
    }
    Compiled {
        files: rules.files.clone(),
        fuses: rules.fuses.clone(),
        calls: rules.calls.clone(),
        lets: rules.lets.clone(),
        events,
        routes,
    }
}

fn event_plan(
    rules: &Rules,
    event: &typed::EventDecl,
    route: Option<usize>,
    (sensors, cancellers): (&[&typed::Sensor], &[&typed::Sensor]),
) -> EventPlan {
    let mut arrival = Compiler::new(rules);
    let expressions =
        event.expressions.iter().map(|(name, expr)| (name.clone(), arrival.expr(expr))).collect();
    let decode = event.decode.as_ref().map(|expr| decode_plan(rules, expr));
    let mut compiler = Compiler::new(rules);
    let sensor_count = sensors.len();
    let all = || sensors.iter().chain(cancellers);
    let bounds =
        all().flat_map(|sensor| sensor.rules.iter().map(|rule| RuleBound::new(sensor, rule)));
    let mut first = 0;
    let mut sensors: Vec<SensorPlan> = (0..)
        .zip(all())
        .map(|(number, sensor)| {
            let plan = compiler.sensor(number, first, sensor);
            first += plan.rules.len();
            plan
        })
        .collect();
    let cancellers = sensors.split_off(sensor_count);
    let programs = compiler.programs.finish();
    let rules = sensors.iter().flat_map(|sensor| &sensor.rules).flat_map(|rule| &rule.clauses);
    let conceal =
        Conceal::from_conditions(sensors.iter().flat_map(|sensor| &sensor.clauses).chain(rules));
    let (rules, sites) = index::build(compiler.candidates, &programs, &compiler.frames);
    let reacting = sensors
        .iter()
        .flat_map(|sensor| &sensor.rules)
        // A rule in shadow does nothing.
        .filter(|rule| !rule.reactions.is_empty() && !rule.is_shadow)
        .map(|rule| (rule.name.clone(), rule.reactions.iter().map(|one| one.kind).collect()))
        .collect();
    let bounds: Vec<RuleBound> = bounds.collect();
    let mut total_growth = Growth::default();
    bounds.iter().for_each(|bound| total_growth.add_all(&bound.growth));
    EventPlan {
        bounds,
        cheap_bytes: total_growth.cheap_bytes(),
        total_growth,
        ty: event.ty.clone(),
        rejects: event.rejects(),
        frames: compiler.frames,
        sensors,
        cancellers,
        lets: compiler.lets,
        programs,
        rules,
        sites,
        walked: compiler.walked,
        route,
        takes_cloud_events: event.shape == BodyShape::Any,
        decode,
        arrival: arrival.frames,
        expressions,
        blocks: event
            .fields
            .iter()
            .filter(|(_, value)| value.is_object())
            .map(|(name, _)| name.clone())
            .collect(),
        reacting,
        conceal,
    }
}

fn decode_plan(rules: &Rules, expr: &Expr) -> DecodePlan {
    let mut compiler = Compiler::new(rules);
    let expr = compiler.expr(expr);
    DecodePlan { frames: compiler.frames, expr }
}
