// dockerode from npm: what a web console for containers does.
'use strict';
const assert = require('node:assert');
const http = require('node:http');
const { once } = require('node:events');
const { PassThrough } = require('node:stream');
const Docker = require('dockerode');

const docker = new Docker(); // DOCKER_HOST
let failed = 0;

async function check(name, work) {
  try {
    await Promise.race([work(), new Promise((_, no) => setTimeout(() => no(new Error('took more than 30 s')), 30000).unref())]);
    console.log(`ok ${name}`);
  } catch (e) {
    failed++;
    console.log(`FAIL ${name}: ${String(e.message).slice(0, 500).replaceAll('\n', ' ')}`);
    console.error(e);
  }
}

class Collector extends PassThrough {
  constructor() {
    super();
    this.text = '';
    this.on('data', (d) => { this.text += d; });
  }
}

async function until(condition) {
  for (const end = Date.now() + 20000; ;) {
    if (await condition()) return;
    assert(Date.now() < end, 'waited in vain');
    await new Promise((yes) => setTimeout(yes, 50));
  }
}

const progress = (stream) => new Promise((yes, no) => docker.modem.followProgress(stream, (e, all) => (e ? no(e) : yes(all))));

// A tar archive of small files, as a browser would send it.
function tar(files) {
  const blocks = [];
  for (const [name, content] of Object.entries(files)) {
    const head = Buffer.alloc(512);
    head.write(name, 0);
    head.write('0000755\0' + '0000000\0' + '0000000\0', 100);
    head.write(Buffer.byteLength(content).toString(8).padStart(11, '0') + '\0' + '00000000000\0' + '        0', 124);
    head.write('ustar\x0000', 257);
    head.write(head.reduce((a, b) => a + b, 0).toString(8).padStart(6, '0') + '\0 ', 148);
    const body = Buffer.alloc(Math.ceil(Buffer.byteLength(content) / 512) * 512);
    body.write(content);
    blocks.push(head, body);
  }
  blocks.push(Buffer.alloc(1024));
  return Buffer.concat(blocks);
}

async function main() {
  await check('ping, version, info', async () => {
    assert.equal(String(await docker.ping()), 'OK');
    assert.equal((await docker.version()).Os, 'linux');
    assert((await docker.info()).NCPU > 0);
  });

  await check('run with output apart', async () => {
    const [out, err] = [new Collector(), new Collector()];
    const [result, container] = await docker.run('tiny', ['sh', '-c', 'echo out; echo err >&2; exit 4'], [out, err], { Tty: false });
    assert.deepEqual([result.StatusCode, out.text, err.text], [4, 'out\n', 'err\n']);
    await container.remove();
  });

  await check('run that removes itself', async () => {
    const out = new Collector();
    const [result, container] = await docker.run('tiny', ['echo', 'gone'], out, { HostConfig: { AutoRemove: true } });
    assert.deepEqual([result.StatusCode, out.text], [0, 'gone\r\n']);
    await until(async () => container.inspect().then(() => false, (e) => e.statusCode === 404));
  });

  await check('errors have their codes and reasons', async () => {
    await assert.rejects(docker.getContainer('nonesuch').inspect(), (e) => e.statusCode === 404 && /No such container/.test(e.json.message));
    await assert.rejects(docker.createContainer({ Image: 'nonesuch' }), (e) => e.statusCode === 404 && /No such image/.test(e.json.message));
    await assert.rejects(docker.createContainer({ Image: 'tiny', HostConfig: { Memory: 1 } }), (e) => e.statusCode === 400);
  });

  await check('a build from an archive, with progress', async () => {
    const context = tar({ Dockerfile: 'FROM tiny\nCOPY file /file\nLABEL console=yes\nCMD ["cat", "/file"]\n', file: 'from node\n' });
    const steps = await progress(await docker.buildImage(context, { t: 'node-built:1' }));
    assert(steps.some((s) => /^Step 1\/4/.test(s.stream)), JSON.stringify(steps));
    const out = new Collector();
    const [, container] = await docker.run('node-built:1', [], [out, out], { Tty: false });
    assert.equal(out.text, 'from node\n');
    await container.remove();
    assert.deepEqual((await docker.listImages({ filters: { label: ['console=yes'] } })).map((i) => i.RepoTags), [['node-built:1']]);
  });

  await check('a build that fails', async () => {
    await assert.rejects(progress(await docker.buildImage(tar({ Dockerfile: 'FROM tiny\nRUN exit 3\n' }), {})).then((all) => {
      const bad = all.find((m) => m.error);
      if (bad) throw new Error(bad.error);
    }), /returned a non-zero code: 3/);
  });

  await check('save, remove, load, history, tag', async () => {
    const image = docker.getImage('node-built:1');
    const chunks = [];
    for await (const chunk of await image.get()) chunks.push(chunk);
    await image.remove();
    await progress(await docker.loadImage(Buffer.concat(chunks)));
    assert((await image.history()).length >= 3);
    await image.tag({ repo: 'node-built', tag: '2' });
    await docker.getImage('node-built:2').remove();
    await image.remove();
  });

  const network = await docker.createNetwork({ Name: 'node-net', Labels: { console: 'yes' } });
  const volume = await docker.createVolume({ Name: 'node-data', Labels: { console: 'yes' } });
  const container = await docker.createContainer({
    Image: 'tiny', name: 'node-server', Cmd: ['sh', '-c', 'echo begun; exec httpd -f -p 80 -h /srv'], ExposedPorts: { '80/tcp': {} }, Labels: { console: 'yes' },
    HostConfig: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] }, Binds: ['node-data:/srv'], NetworkMode: 'node-net', Memory: 64 << 20, Init: true },
  });
  const events = await docker.getEvents({ filters: { container: [container.id] } });
  const seen = [];
  events.on('data', (d) => String(d).split('\n').filter(Boolean).forEach((line) => seen.push(JSON.parse(line).Action)));
  try {
    await check('start, inspect, list', async () => {
      await container.start();
      await assert.rejects(container.start(), (e) => e.statusCode === 304);
      const { State, NetworkSettings, HostConfig } = await container.inspect();
      assert(State.Running && State.Pid > 0 && NetworkSettings.Networks['node-net'].IPAddress && HostConfig.Memory === 64 << 20);
      assert.deepEqual((await docker.listContainers({ filters: { label: ['console=yes'] } })).map((c) => c.Names), [['/node-server']]);
    });

    await check('files in, a request, files out', async () => {
      await container.putArchive(tar({ 'index.html': 'served' }), { path: '/srv' });
      const { NetworkSettings } = await container.inspect();
      const [response] = await once(http.get(`http://127.0.0.1:${NetworkSettings.Ports['80/tcp'][0].HostPort}/index.html`), 'response');
      let body = '';
      for await (const d of response) body += d;
      assert.equal(body, 'served');
      let size = 0;
      for await (const d of await container.getArchive({ path: '/srv/index.html' })) size += d.length;
      assert(size >= 1024);
    });

    await check('exec: a shell with input, hijacked', async () => {
      const exec = await container.exec({ Cmd: ['sh'], AttachStdin: true, AttachStdout: true, AttachStderr: true });
      const stream = await exec.start({ hijack: true, stdin: true });
      const [out, err] = [new Collector(), new Collector()];
      docker.modem.demuxStream(stream, out, err);
      stream.write('echo one; echo two >&2; exit 5\n');
      await once(stream, 'end');
      assert.deepEqual([out.text, err.text], ['one\n', 'two\n']);
      await until(async () => !(await exec.inspect()).Running);
      assert.equal((await exec.inspect()).ExitCode, 5);
    });

    await check('exec: input ends when the client says so', async () => {
      const exec = await container.exec({ Cmd: ['wc', '-c'], AttachStdin: true, AttachStdout: true });
      const stream = await exec.start({ hijack: true, stdin: true });
      const out = new Collector();
      docker.modem.demuxStream(stream, out, out);
      stream.end('x'.repeat(100000));
      await once(stream, 'end');
      assert.equal(out.text.trim(), '100000');
    });

    await check('exec: a terminal, resized', async () => {
      const exec = await container.exec({ Cmd: ['sh', '-c', 'read x; stty size'], AttachStdin: true, AttachStdout: true, Tty: true });
      const stream = await exec.start({ hijack: true, stdin: true, Tty: true });
      let text = '';
      stream.on('data', (d) => { text += d; });
      await exec.resize({ h: 33, w: 99 });
      stream.write('\n');
      await once(stream, 'end');
      assert.match(text, /33 99/);
    });

    await check('exec without hijacking', async () => {
      const exec = await container.exec({ Cmd: ['echo', 'plain'], AttachStdout: true });
      const out = new Collector();
      const stream = await exec.start({});
      docker.modem.demuxStream(stream, out, out);
      await once(stream, 'end');
      assert.equal(out.text, 'plain\n');
    });

    await check('logs, followed until the end', async () => {
      const logs = await container.logs({ stdout: true, stderr: true, tail: 10 });
      assert.equal(logs.subarray(8).toString(), 'begun\n');
      const follow = await container.logs({ stdout: true, follow: true });
      const [first] = await once(follow, 'data');
      assert.match(first.toString(), /begun/);
      follow.destroy();
    });

    await check('statistics', async () => {
      const stats = await container.stats({ stream: false });
      assert(stats.memory_stats.usage > 0 && stats.cpu_stats.cpu_usage.total_usage > 0 && stats.networks.eth0);
    });

    await check('top, changes, update, rename, pause', async () => {
      assert((await container.top({ ps_args: 'aux' })).Processes.length >= 1);
      assert(Array.isArray((await container.changes()) || []));
      await container.update({ Memory: 96 << 20, MemorySwap: 96 << 20 });
      await container.rename({ name: 'node-renamed' });
      await container.pause();
      assert((await container.inspect()).State.Paused);
      await container.unpause();
    });

    await check('networks: connect, disconnect, resolve', async () => {
      const other = await docker.createNetwork({ Name: 'node-other' });
      await other.connect({ Container: container.id, EndpointConfig: { Aliases: ['seen'] } });
      const out = new Collector();
      const [, asking] = await docker.run('tiny', ['wget', '-qO-', 'http://seen/index.html'], [out, out], { Tty: false, HostConfig: { NetworkMode: 'node-other' } });
      assert.equal(out.text, 'served');
      await asking.remove();
      await other.disconnect({ Container: container.id });
      await other.remove();
    });

    await check('wait and stop, and the events of it all', async () => {
      const waiting = container.wait();
      await container.stop({ t: 5 });
      assert.equal(typeof (await waiting).StatusCode, 'number');
      await until(() => seen.includes('die') && seen.includes('stop'));
      for (const action of ['start', 'rename', 'pause', 'unpause', 'update', 'kill', 'die', 'stop']) assert(seen.includes(action), `${action} is not in ${seen}`);
    });
  } finally {
    events.destroy();
    await container.remove({ force: true, v: true });
    await volume.remove();
    await network.remove();
  }

  await check('attach, with input, before the start', async () => {
    const cat = await docker.createContainer({ Image: 'tiny', Cmd: ['cat'], OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true });
    const stream = await cat.attach({ stream: true, stdin: true, stdout: true, hijack: true });
    const out = new Collector();
    docker.modem.demuxStream(stream, out, out);
    await cat.start();
    stream.end('to the cat');
    assert.equal((await cat.wait()).StatusCode, 0);
    await until(() => out.text === 'to the cat');
    await cat.remove();
  });

  await check('forty at once', async () => {
    const made = await Promise.all(Array.from({ length: 40 }, (_, i) => docker.createContainer({ Image: 'tiny', Cmd: ['true'], Labels: { many: String(i) }, HostConfig: { NetworkMode: 'none' } })));
    await Promise.all(made.map((c) => c.start()));
    const codes = await Promise.all(made.map(async (c) => (await c.wait()).StatusCode));
    assert(codes.every((c) => c === 0));
    assert.equal((await docker.pruneContainers({ filters: { label: ['many'] } })).ContainersDeleted.length, 40);
  });
}

main().then(() => process.exit(failed ? 1 : 0), (e) => { console.error(e); process.exit(1); });
