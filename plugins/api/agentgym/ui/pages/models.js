/* SPDX-License-Identifier: Apache-2.0 */
/* All models: import, export, delete, choose some to compare. */
import {api} from '../api.js';
import {button, confirmDialog, download, empty, field, fmt, formDialog, guarded, h, pageHead, put, table, toast}
    from '../dom.js';
import {compareChoice} from './training.js';

const FORMATS = [['bundle', 'Bundle: weights and all, for another server'],
    ['table', 'Table: the policy as a list of states'], ['openai', 'OpenAI: tools and system prompt'],
    ['langchain', 'LangChain'], ['autogen', 'AutoGen'], ['crewai', 'CrewAI']];

const columns = [{title: ''}, {title: 'Name'}, {title: 'Scenario'}, {title: 'Learner'},
    {title: 'Accuracy (95 %)', numeric: true}, {title: 'Score', numeric: true},
    {title: 'Episodes', numeric: true}, {title: 'Made', numeric: true}, {title: ''}];

export async function exportDialog(model) {
    const preferred = model.framework.toLowerCase();
    const file = await formDialog(`Export ${model.name}`, [field('format', 'Format',
        {value: FORMATS.some(([id]) => id === preferred) ? preferred : 'bundle'}, FORMATS)], 'Export',
    (form) => api.exportModel(model.id, form.elements.format.value));

    if (file)
        download(file.blob, file.filename);
}

export async function deleteModel(model, control) {
    if (!await confirmDialog('Delete model', `${model.name} (${model.id}) is removed for good.`, 'Delete'))
        return false;
    return await guarded(control, async () => {
        await api.deleteModel(model.id);
        toast(`${model.name} is deleted.`);
        return true;
    }) === true;
}

async function importFile(file, after) {
    const added = await api.importModel(await file.text());

    toast(`Imported as ${added.id}: ${fmt.percent(added.accuracy)} measured here.`);
    await after();
}

export function intervalText(interval) {
    return interval ? `${interval[0].toFixed(1)} to ${interval[1].toFixed(1)}` : '–';
}

export async function modelsPage(view) {
    const scenarios = await api.scenarios();
    const names = new Map(scenarios.map((one) => [one.id, one.name]));
    const choice = compareChoice('models');
    const body = h('div');
    const count = h('p', {class: 'muted', role: 'status'});
    const filter = h('select', {'aria-label': 'Scenario', onchange: () => guarded(null, reload)},
        h('option', {value: ''}, 'All scenarios'),
        scenarios.map((one) => h('option', {value: one.id}, one.name)));
    const picker = h('input', {type: 'file', accept: '.json,application/json', hidden: true,
        onchange: async () => {
            const [file] = picker.files;
            picker.value = '';
            if (file)
                await guarded(importButton, () => importFile(file, reload));
        }});
    const importButton = button('Import', () => picker.click());

    function row(model) {
        return [choice.box(model.id, model.name), h('div', null,
            h('a', {href: `#/models/${model.id}`}, model.name),
            h('small', null, model.imported ? `${model.id}, imported` : model.id)),
        names.get(model.scenario) || model.scenario, h('div', null, model.algorithm, h('small', null, model.framework)),
        h('div', null, fmt.percent(model.accuracy), h('small', null, intervalText(model.accuracy_ci95))),
        fmt.number(model.score, 3),
        h('div', null, fmt.integer(model.episodes), h('small', null, fmt.bytes(model.size_bytes))), h('div', null, fmt.day(model.created_at), h('small', null, fmt.clock(model.created_at))),
        h('div', {class: 'row-actions'},
            button('Export', () => guarded(null, () => exportDialog(model)),
                {class: 'button small', 'aria-label': `Export ${model.name}`}),
            button('Delete', async (event) => {
                if (await deleteModel(model, event.currentTarget)) {
                    choice.forget(model.id);
                    await guarded(null, reload);
                }
            }, {class: 'button small danger', 'aria-label': `Delete ${model.name}`}))];
    }

    async function reload() {
        const list = await api.models({scenario: filter.value});

        count.textContent = `${fmt.integer(list.total)} ${list.total === 1 ? 'model' : 'models'}`;
        put(body, list.items.length > 0 ? table('Models', columns, list.items.map(row))
            : empty('No model yet. A finished session leaves one here.',
                h('a', {class: 'button', href: '#/scenarios'}, 'Start training')));
    }

    await reload();
    view.show(pageHead('Models', 'Trained or imported policies', choice.go, importButton, picker),
        h('div', {class: 'filters'}, filter, count), h('section', {class: 'card flush'}, body));
}
