// The first page: examples with this server's own address, and its clock.

import { Belfry } from '../belfry.mjs';
import { curlLine, home } from './curl.js';

const find = id => document.getElementById(id);

find('curl').textContent = curlLine();
find('raw').textContent = `${home.replace(/^http/, 'ws')}ws/chat`;
find('subscribe-code').textContent = `<script src="${home}belfry.js"></script>
<script>
  const belfry = new Belfry('${home}');
  belfry.subscribe('chat', ({ data }) => console.log(data));
</script>`;

new Belfry(home).subscribe('date', ({ data }) => {
  find('date').textContent = String(data);
});
