// The command that publishes to this very page, and the button that copies it.

const find = id => document.getElementById(id);

/** The address of the server, such as http://localhost:40132/, with the path that a proxy has put it behind. */
export const home = new URL('..', import.meta.url).href;

/** The command for the server. */
export function curlLine() {
  const message = { channel: 'chat', data: { name: 'curl', text: 'Hello, town' } };
  return [
    `curl ${home}api/publish`,
    '-H "X-API-Key: $BELFRY_API_KEY"',
    "-H 'Content-Type: application/json'",
    `-d '${JSON.stringify(message)}'`,
  ].join(' \\\n  ');
}

function select(element) {
  getSelection().selectAllChildren(element);
}

/** The clipboard belongs to secure pages only; elsewhere the text is left selected for the reader's own keys. */
async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return 'Copied.';
  } catch {
    select(element);
    return 'Selected: copy it with your keyboard.';
  }
}

export function showCurl() {
  const code = find('curl');
  code.textContent = curlLine();
  find('copy').addEventListener('click', async () => {
    find('copied').textContent = '';
    find('copied').textContent = await copy(code);
  });
}
