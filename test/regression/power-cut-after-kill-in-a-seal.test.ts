import { expect, it } from 'vitest';
import { Agent, source } from '../fault/agent.js';
import { SimulatedDisk } from '../fault/power-cut.js';
import { Rig } from '../fault/rig.js';

it('a segment whose move was cut off by kill -9 survives a power cut after the next start', async () => {
  await using rig = new Rig();
  const agent = new Agent([source('numbered', null, 'batches')]);
  const disk = new SimulatedDisk(rig.logDir, 'split');
  const first = await rig.start({ data: true, plan: ['rename/sealing@1=kill-after'] });
  await agent.send(first.grpc, 6);
  await agent.send(first.grpc, 9);
  await first.ended;
  disk.follow(rig.calls(true));
  expect(agent.acknowledged).toBeGreaterThan(0);

  // Recovery makes the names of active/ durable, so it was the move's last chance to become so, too.
  const second = await rig.start({ data: true, plan: ['mkdir/sessions/@1=kill-before'] }).catch(() => null);
  await second?.ended;
  disk.follow(rig.calls(true));
  disk.cut('nothing', () => 0);

  expect(await rig.recover(agent)).toEqual([]);
});

it('a segment survives a power cut between the two syncs of its move', async () => {
  await using rig = new Rig();
  const agent = new Agent([source('numbered', null, 'batches')]);
  const disk = new SimulatedDisk(rig.logDir, 'split');
  const server = await rig.start({ data: true, plan: ['fsync/sealing/numbered@1=kill-before:300'] });
  await agent.send(server.grpc, 6);
  await agent.send(server.grpc, 9);
  await server.ended;
  disk.follow(rig.calls(true));
  disk.cut('nothing', () => 0);

  expect(await rig.recover(agent)).toEqual([]);
});
