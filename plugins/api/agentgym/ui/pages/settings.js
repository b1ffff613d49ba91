/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the server, and the access token of this tab. */
import {api, setToken, token} from '../api.js';
import {button, field, guarded, h, markFields, pageHead, toast} from '../dom.js';
import {cacheSettings} from '../store.js';
import {FRAMEWORKS} from './start.js';

const PROVIDERS = ['OpenAI', 'Anthropic', 'Mock', 'Mock (for testing)'];

function keyField(name, label, masked, isSet) {
    return field(name, label, {type: 'password', autocomplete: 'new-password', value: '',
        placeholder: isSet ? masked : 'not set', spellcheck: 'false',
        hint: isSet ? `Stored as ${masked}. Leave empty to keep it.` : 'Kept on the server, never shown again.'});
}

/* Only what was changed is sent; an empty key field means "as it is". */
function changes(form, settings) {
    const out = {};
    const text = (name) => form.elements[name].value;
    const take = (name, value) => {
        if (value !== settings[name])
            out[name] = value;
    };

    take('framework', text('framework'));
    take('llmProvider', text('llmProvider'));
    take('maxEpisodes', Number(text('maxEpisodes')));
    take('learningRate', Number(text('learningRate')));
    take('autoSave', text('autoSave') === 'true');
    for (const name of ['openaiKey', 'anthropicKey'])
        if (text(name) !== '')
            out[name] = text(name);
    return out;
}

function settingsForm(settings, after) {
    const problem = h('p', {class: 'problem', role: 'alert', hidden: true});
    const save = h('button', {type: 'submit', class: 'button primary'}, 'Save');
    const put = (body) => guarded(save, async () => {
        problem.hidden = true;
        try {
            const saved = await api.saveSettings(body);
            toast('Saved.');
            after(saved);
        } catch (error) {
            const rest = markFields(form, error.fields || {});
            problem.textContent = Object.keys(error.fields || {}).length > 0 ? rest.join('. ') : error.message;
            problem.hidden = problem.textContent === '';
        }
    });
    const clear = (name, label, isSet) => isSet && button(`Forget the ${label} key`, () => put({[name]: ''}),
        {class: 'button danger'});
    const form = h('form', {novalidate: true, onsubmit: (event) => {
        event.preventDefault();
        markFields(form, {});
        const body = changes(form, settings);
        if (Object.keys(body).length === 0)
            toast('Nothing has changed.');
        else
            put(body);
    }}, h('h2', null, 'Training defaults'), h('div', {class: 'form-grid'},
        field('framework', 'Framework', {value: settings.framework}, FRAMEWORKS),
        field('maxEpisodes', 'Episodes', {type: 'number', min: 1, max: 1000, step: 1,
            value: settings.maxEpisodes}),
        field('learningRate', 'Learning rate', {type: 'number', min: 0, max: 1, step: 'any',
            value: settings.learningRate}),
        field('autoSave', 'Checkpoints', {value: settings.autoSave},
            [['true', 'Every 10 episodes'], ['false', 'Only on pause and at the end']])),
    h('h2', null, 'Language models'),
    h('p', {class: 'muted'}, 'The server itself calls no language model; keys are for plugins that do.'),
    h('div', {class: 'form-grid'},
        field('llmProvider', 'Provider', {value: settings.llmProvider}, PROVIDERS),
        keyField('openaiKey', 'OpenAI key', settings.openaiKey, settings.openaiKeySet),
        keyField('anthropicKey', 'Anthropic key', settings.anthropicKey, settings.anthropicKeySet)),
    problem, h('footer', {class: 'actions'}, save,
        clear('openaiKey', 'OpenAI', settings.openaiKeySet),
        clear('anthropicKey', 'Anthropic', settings.anthropicKeySet)));

    return h('section', {class: 'card'}, form);
}

function tokenForm(after) {
    const form = h('form', {novalidate: true, onsubmit: (event) => {
        event.preventDefault();
        setToken(form.elements.token.value.trim());
        toast(token() === '' ? 'The token is forgotten.' : 'The token is used from now on.');
        after();
    }}, h('h2', null, 'Access token'),
    h('p', {class: 'muted'}, 'Needed only when the server asks for one. It is kept until this tab is closed.'),
    h('div', {class: 'form-grid'}, field('token', 'Token', {type: 'password', autocomplete: 'off',
        placeholder: token() === '' ? 'none' : 'set; leave empty to forget it'})),
    h('footer', {class: 'actions'}, h('button', {type: 'submit', class: 'button'}, 'Use')));

    return h('section', {class: 'card'}, form);
}

export async function settingsPage(view) {
    const show = (settings, error) => {
        if (settings)
            cacheSettings(settings);
        view.show(pageHead('Settings', 'Kept on the server, for everyone who uses it'),
            settings ? settingsForm(settings, show) : h('p', {class: 'problem', role: 'alert'}, error.message),
            tokenForm(() => settingsPage(view)));
    };

    try {
        show(await api.settings());
    } catch (error) {
        show(null, error); /* the token form has to stay within reach */
    }
}
