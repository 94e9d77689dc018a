/** The report as markdown. */
import { FIGURES, type Figure, isFigure } from './figures.js';
import type { Median } from './median.js';
import type { BenchReport, Row, Verdict } from './report.js';

const COLUMNS = ['framesPerSecond', 'framesPerCpuSecond', 'peakRssBytes'] as const;
/** In JSON only. */
const HIDDEN = new Set<Figure>(['serverSystemSeconds', 'generatorCpuSeconds', 'writeCalls', 'neighbourShare']);
/** Others took more of the server's cores: the run says little about wall time. */
const DISTURBED_SHARE = 0.1;

export function reportText(report: BenchReport): string {
  const { machine, pinning, settings, versions, rows, notes } = report;
  const headings = [
    'group',
    'what',
    'server',
    ...COLUMNS.map((name) => FIGURES[name].title),
    'besides',
    'ratios and targets',
  ];
  const disturbed = report.samples.filter(({ figures }) => (figures.neighbourShare ?? 0) > DISTURBED_SHARE).length;
  return [
    `${machine.cpu}, ${machine.cores} cores, ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, Linux ${machine.kernel}; ` +
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    '',
    `\`${report.command}\`: ${settings.runs} paired runs, medians; ± is (largest − smallest) / median. ` +
      (pinning === null ? 'Not pinned.' : `Servers on cores ${pinning.server}, generator on ${pinning.generator}.`) +
      (disturbed === 0
        ? ''
        : ` In ${disturbed} of ${report.samples.length} runs others took over ${DISTURBED_SHARE} cores.`),
    '',
    ...[headings, headings.map(() => '---'), ...rows.map(cellsOf)].map((cells) => `| ${cells.join(' | ')} |`),
    ...notes.flatMap((note) => ['', `**Note**: ${note}`]),
  ].join('\n');
}

function cellsOf({ group, job, server, figures, verdicts }: Row): string[] {
  const besides = Object.entries(figures).flatMap(([name, median]) =>
    !isFigure(name) || COLUMNS.some((column) => column === name) || HIDDEN.has(name)
      ? []
      : [`${FIGURES[name].title} ${withSpread(name, median)}`],
  );
  return [
    group,
    job,
    server,
    ...COLUMNS.map((name) => (figures[name] === undefined ? '' : withSpread(name, figures[name]))),
    besides.join(', '),
    verdicts.map(verdictText).join('<br>'),
  ];
}

function withSpread(name: Figure, { median, spread }: Median): string {
  return `${FIGURES[name].text(median)}${plusMinus(spread)}`;
}

/** Nothing after a single run. */
function plusMinus(spread: number): string {
  return spread === 0 ? '' : ` ± ${Math.round(spread * 100)} %`;
}

function verdictText({ figure, against, value, bound, verdict }: Verdict): string {
  const { title, text } = FIGURES[figure];
  const absolute = against === '';
  const show = (number: number): string => (absolute ? text(number) : `${number.toFixed(2)} ×`);
  const measured = value === null ? '' : ` ${show(value.median)}${plusMinus(value.spread)}`;
  const what = `${title}${measured}${absolute ? '' : ` ${against}`}`;
  if (bound === null) {
    return what;
  }
  const target = 'atLeast' in bound ? `≥ ${show(bound.atLeast)}` : `≤ ${show(bound.atMost)}`;
  return `${what} (${target}: **${verdict}**)`;
}
