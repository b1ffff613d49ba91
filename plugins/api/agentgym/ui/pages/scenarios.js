/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios: find one, look into it, train on it, add one's own. */
import {api, ApiError} from '../api.js';
import {button, confirmDialog, dialog, empty, facts, field, fmt, formDialog, guarded, h, pageHead, put, table,
    toast} from '../dom.js';
import {startDialog} from './start.js';

function card(scenario, actions) {
    const titleId = `scenario-${scenario.id}`;

    return h('article', {class: 'card scenario-card', 'data-scenario': scenario.id,
        'aria-labelledby': titleId},
    h('header', null, h('h2', {id: titleId}, scenario.name),
        h('span', {class: `badge level-${scenario.difficulty}`}, scenario.difficulty)),
    h('p', null, scenario.description),
    h('ul', {class: 'chips', 'aria-label': 'Features'}, scenario.features.map((text) => h('li', null, text))),
    facts([['Tasks', scenario.tasks], ['Steps', `up to ${scenario.max_steps}`],
        ['Run time', scenario.duration], ['Measured by', scenario.metrics.join(', ')],
        ['Exports', scenario.frameworks.join(', ')]]),
    h('footer', null,
        button('Start training', () => actions.start(scenario), {class: 'button primary'}),
        h('a', {class: 'button', href: `#/play/${scenario.id}`}, 'Play'),
        button('Details', () => actions.details(scenario)),
        !scenario.builtin && button('Delete', (event) => actions.remove(scenario, event.currentTarget),
            {class: 'button danger'})));
}

function toolNotes(tool) {
    return [tool.identifies && 'identifies the task', tool.irreversible && 'irreversible']
        .filter(Boolean).join(', ');
}

function conditionText(condition) {
    if (!condition || condition.length === 0)
        return '';
    const text = condition.map((all) => all.map((one) => (one.is ? one.fact : `not ${one.fact}`))
        .join(' and ')).join(', or ');
    return ` if ${text}`;
}

function planText(task) {
    return h('ol', {class: 'plan'}, task.plan.map((item) => h('li', null, h('code', null, item.tool),
        conditionText(item.when), item.required === false && ' (optional)')));
}

function definitionParts(definition) {
    return [h('h3', null, 'Tools'),
        table('Tools', [{title: 'Tool'}, {title: 'Kind'}, {title: 'Cost', numeric: true},
            {title: 'Fails', numeric: true}, {title: 'Notes'}],
        definition.tools.map((tool) => [h('code', null, tool.name), tool.kind, fmt.short(tool.cost ?? 0),
            fmt.rate(tool.fault ?? 0, 0), toolNotes(tool)])),
        h('h3', null, 'Tasks and what has to be done'),
        table('Tasks', [{title: 'Task'}, {title: 'Plan'}, {title: 'Right ending'}],
            definition.tasks.map((task) => [h('code', null, task.id), planText(task),
                h('ul', {class: 'plain'}, task.finals.map((final) => h('li', null,
                    h('code', null, final.tool), conditionText(final.when))))]))];
}

async function details(scenario) {
    const full = await api.scenario(scenario.id);
    const analysis = full.analysis || {};

    await dialog(full.name, () => h('div', {class: 'dialog-body'},
        h('p', null, full.description),
        h('h3', null, analysis.exact ? 'Known limits (solved exactly)' : 'Known limits (simulated)'),
        facts([['Best possible return', fmt.number(analysis.optimal_return)],
            ['Best possible success', fmt.rate(analysis.optimal_success)],
            ['Return of random play', fmt.number(analysis.random_return)],
            ['Success of random play', fmt.rate(analysis.random_success, 2)],
            ['Reachable states', fmt.integer(analysis.states)],
            ['Observation', `${full.observation_dim} numbers`]]),
        h('h3', null, 'Targets'),
        facts(Object.entries(full.targets).map(([name, value]) => [fmt.words(name), fmt.rate(value, 0)])),
        full.definition?.tools && definitionParts(full.definition),
        full.definition && h('details', null, h('summary', null, 'Definition as JSON'),
            h('pre', {tabindex: '0'}, JSON.stringify(full.definition, null, 2)))), {class: 'wide'});
}

async function addDialog() {
    const text = field('definition', 'Definition', {type: 'textarea', rows: 14, class: 'code',
        spellcheck: 'false', hint: 'JSON, as shown under Details of a scenario, with an id of its own.'});
    const file = h('input', {type: 'file', accept: '.json,application/json', 'aria-label': 'Read from file',
        onchange: async () => {
            if (file.files.length > 0)
                text.querySelector('textarea').value = await file.files[0].text();
        }});

    return formDialog('Add a scenario', [file, text], 'Add', async (form) => {
        let definition;
        try {
            definition = JSON.parse(form.elements.definition.value);
        } catch (error) {
            throw new ApiError(0, 'json_invalid', `This is not JSON: ${error.message}`);
        }
        return api.createScenario(definition);
    });
}

export async function scenariosPage(view) {
    let [scenarios, settings] = await Promise.all([api.scenarios(), api.settings().catch(() => ({}))]);
    const grid = h('div', {class: 'grid'});
    const count = h('p', {class: 'muted', role: 'status'});
    const search = h('input', {type: 'search', placeholder: 'Search', 'aria-label': 'Search scenarios',
        oninput: () => draw()});
    const frameworks = ['All frameworks', ...new Set(scenarios.flatMap((one) => one.frameworks))];
    const framework = h('select', {'aria-label': 'Framework', onchange: () => draw()},
        frameworks.map((name, i) => h('option', {value: i === 0 ? '' : name}, name)));
    const actions = {
        start: (scenario) => startDialog(scenario, {...settings,
            framework: framework.value || settings.framework}),
        details: (scenario) => guarded(null, () => details(scenario)),
        remove: async (scenario, control) => {
            if (!await confirmDialog('Delete scenario', `${scenario.name} is removed from this server.`,
                'Delete'))
                return;
            await guarded(control, async () => {
                await api.deleteScenario(scenario.id);
                toast(`${scenario.name} is deleted.`);
                await reload();
            });
        },
    };

    function matches(scenario) {
        const words = search.value.trim().toLowerCase().split(/\s+/);
        const text = [scenario.id, scenario.name, scenario.description, scenario.difficulty,
            ...scenario.features, ...scenario.metrics, ...scenario.tools].join(' ').toLowerCase();

        return words.every((word) => text.includes(word))
            && (framework.value === '' || scenario.frameworks.includes(framework.value));
    }

    function draw() {
        const found = scenarios.filter(matches);

        count.textContent = `${found.length} of ${scenarios.length} scenarios`;
        put(grid, found.length > 0 ? found.map((one) => card(one, actions)) : empty('No scenario matches.'));
    }

    async function reload() {
        scenarios = await api.scenarios();
        draw();
    }

    view.show(pageHead('Scenarios', 'Workflows with a known optimum', button('Add scenario', async () => {
        const added = await addDialog();
        if (added) {
            toast(`${added.name} is added.`);
            await guarded(null, reload);
        }
    })), h('div', {class: 'filters', role: 'search'}, search, framework, count), grid);
    draw();
}
