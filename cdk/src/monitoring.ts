// One dashboard and the alarms of one server and its table. Knows metrics, not what produces them: a server says itself what
// is worth watching.
import { Duration } from "aws-cdk-lib";
import {
  type Alarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  MathExpression,
  TextWidget,
  TreatMissingData,
  Alarm as WatchAlarm,
} from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { FilterPattern, type ILogGroup, MetricFilter, QueryDefinition, QueryString } from "aws-cdk-lib/aws-logs";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import type { IStateTable } from "./state-table.ts";

/** One thing worth watching. */
export interface Signal {
  /** Names the alarm inside the construct. */
  readonly id: string;
  /** What the dashboard and the alarm call it. */
  readonly title: string;
  /** What is watched. */
  readonly metric: IMetric;
  /**
   * Raises an alarm when the metric is above this in three of three periods.
   * @default shown, without an alarm
   */
  readonly alarmAbove?: number;
  /**
   * What to do about the alarm.
   * @default nothing is said
   */
  readonly advice?: string;
}

/** A server that can be watched. */
export interface MonitoredServer {
  /** Where the server writes one line of JSON for every call. */
  readonly logGroup: ILogGroup;
  /**
   * Where else a line is written for a request that is turned away.
   * @default nowhere
   */
  readonly doorLogGroup?: ILogGroup;
  readonly signals: readonly Signal[];
}

/** What is watched, and who hears of alarms. */
export interface ServerMonitoringProps {
  /** The server: a `LambdaMcpServer`, a `FargateMcpServer`, or one that says itself what is worth watching. */
  readonly server: MonitoredServer;
  /** Where its state is. */
  readonly state: IStateTable;
  /**
   * Where alarms are sent.
   * @default nowhere: alarms only show in the console
   */
  readonly alarmTopic?: ITopic;
  /**
   * Above which 99th percentile of a call's duration an alarm is raised.
   * @default 2 seconds
   */
  readonly slowCall?: Duration;
}

const PERIOD = Duration.minutes(5);
/** So that one bad request wakes no one, and a lasting fault does after a quarter of an hour. */
const PERIODS = 3;

/** A dashboard and alarms for one server and its table. */
export class ServerMonitoring extends Construct {
  readonly dashboard: Dashboard;
  readonly alarms: readonly Alarm[];

  constructor(scope: Construct, id: string, props: ServerMonitoringProps) {
    super(scope, id);
    const { server, state, slowCall = Duration.seconds(2) } = props;
    const signals = [
      ...server.signals,
      ...this.#calls(server.logGroup, slowCall),
      this.#refusals(server),
      ...tableSignals(state),
    ];
    this.alarms = signals.flatMap((signal) => (signal.alarmAbove === undefined ? [] : [this.#alarm(signal)]));
    if (props.alarmTopic) for (const alarm of this.alarms) alarm.addAlarmAction(new SnsAction(props.alarmTopic));
    this.dashboard = new Dashboard(this, "Dashboard", { defaultInterval: Duration.hours(12) });
    this.dashboard.addWidgets(
      ...signals.map(
        ({ title, metric, alarmAbove }) =>
          new GraphWidget({
            title,
            left: [metric],
            width: 8,
            ...(alarmAbove !== undefined && { leftAnnotations: [{ value: alarmAbove, label: "alarm above" }] }),
          }),
      ),
      new TextWidget({ markdown: logQuestions(server.logGroup), width: 24, height: 4 }),
    );
    this.#saveQueries(server);
  }

  /** What only the log knows: how long calls take and how they end. */
  #calls(logGroup: ILogGroup, slowCall: Duration): Signal[] {
    const filter = (name: string, pattern: string, metricValue: string) =>
      this.#filter(name, { logGroup, pattern, metricValue });
    const call = '$.message = "call"';
    const duration = filter("CallMilliseconds", `{ ${call} }`, "$.duration_ms");
    const failed = filter("FailedCalls", `{ ${call} && ($.outcome = "internal" || $.outcome = "unavailable") }`, "1");
    return [
      {
        id: "Calls",
        title: "Tool calls",
        metric: duration.metric({ period: PERIOD, statistic: "SampleCount", label: "calls" }),
      },
      {
        id: "SlowCalls",
        title: "99th percentile of a tool call, in milliseconds",
        metric: duration.metric({ period: PERIOD, statistic: "p99", label: "p99" }),
        alarmAbove: slowCall.toMilliseconds(),
        advice: "Look at which tools are slow in the log, then at the table's latency and throttles.",
      },
      {
        id: "FailedCalls",
        title: "Tool calls that failed through no fault of the caller",
        metric: failed.metric({ period: PERIOD, statistic: "Sum", label: "failed" }),
        alarmAbove: 0,
        advice: "Look for level error in the log; outcome unavailable means that the table did not answer.",
      },
    ];
  }

  #filter(name: string, { logGroup, pattern, metricValue, id = name }: FilterOptions): MetricFilter {
    return new MetricFilter(this, id, {
      logGroup,
      filterPattern: FilterPattern.literal(pattern),
      metricNamespace: "StatefulMcp",
      // Two servers of one account must not share a metric.
      metricName: `${this.node.addr.slice(-8)}-${name}`,
      metricValue,
    });
  }

  /** Requests that are turned away at the door, by the server or by what stands before it: one metric for both. */
  #refusals({ logGroup, doorLogGroup }: MonitoredServer): Signal {
    const options = { pattern: '{ $.message = "refused" }', metricValue: "1" };
    const refused = this.#filter("Refusals", { ...options, logGroup });
    if (doorLogGroup) this.#filter("Refusals", { ...options, logGroup: doorLogGroup, id: "DoorRefusals" });
    return {
      id: "Refusals",
      title: "Requests turned away: token, scope, host or origin",
      metric: refused.metric({ period: PERIOD, statistic: "Sum", label: "refused" }),
      alarmAbove: REFUSALS,
      advice: "Run the saved query about refusals: reason and address tell guessing from a client with an old token.",
    };
  }

  /** Questions that Logs Insights has ready, under a folder of the server's own. */
  #saveQueries({ logGroup, doorLogGroup }: MonitoredServer): void {
    const logGroups = [logGroup, ...(doorLogGroup ? [doorLogGroup] : [])];
    for (const [id, query] of Object.entries(QUERIES))
      new QueryDefinition(this, `${id}Query`, {
        queryDefinitionName: `${this.node.path}/${id}`,
        queryString: new QueryString(query),
        logGroups,
      });
  }

  #alarm({ id, title, metric, alarmAbove = 0, advice }: Signal): Alarm {
    return new WatchAlarm(this, `${id}Alarm`, {
      alarmDescription: `${title} above ${alarmAbove}. ${advice ?? ""}`.trim(),
      metric,
      threshold: alarmAbove,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: PERIODS,
      // Nothing is reported where nothing happens.
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  }
}

interface FilterOptions {
  readonly logGroup: ILogGroup;
  readonly pattern: string;
  readonly metricValue: string;
  /**
   * Names the filter, where two feed one metric.
   * @default the metric's name
   */
  readonly id?: string;
}

/** In a period. A process writes at most 60 lines about them a minute. */
const REFUSALS = 100;

/** Fields are those of docs/operate.md. */
const QUERIES: Readonly<Record<string, ConstructorParameters<typeof QueryString>[0]>> = {
  Tools: {
    filterStatements: ['message = "call"'],
    statsStatements: ["count(*) as calls, pct(duration_ms, 50) as p50, pct(duration_ms, 99) as p99 by tool, outcome"],
    sort: "calls desc",
  },
  Callers: {
    filterStatements: ['message = "call"'],
    statsStatements: ["count(*) as calls by principal_name, client"],
    sort: "calls desc",
  },
  Refusals: {
    filterStatements: ['message = "refused"'],
    statsStatements: ["count(*) as requests by reason, address, path"],
    sort: "requests desc",
  },
  OneTrace: {
    fields: ["@timestamp", "tool", "outcome", "duration_ms", "principal_name", "client", "request_id", "span_id"],
    filterStatements: ['trace_id = "<trace id>"'],
    sort: "@timestamp asc",
  },
};

function tableSignals({ table }: IStateTable): Signal[] {
  const throttled = (metricName: string) => table.metric(metricName, { period: PERIOD, statistic: "Sum" });
  return [
    {
      id: "TableThrottles",
      title: "Requests that the table refused for now",
      metric: new MathExpression({
        expression: "FILL(reads, 0) + FILL(writes, 0)",
        usingMetrics: { reads: throttled("ReadThrottleEvents"), writes: throttled("WriteThrottleEvents") },
        period: PERIOD,
        label: "throttled",
      }),
      alarmAbove: 0,
      advice: "A single key may be too hot, or the account's limits too low: see the table's metrics.",
    },
  ];
}

/** Queries for Logs Insights, ready to paste. */
const logQuestions = (logGroup: ILogGroup): string =>
  [
    `Questions for Logs Insights on \`${logGroup.logGroupName}\`:`,
    '- slowest tools: `filter message = "call" | stats count(), pct(duration_ms, 99) by tool`',
    '- how calls end: `filter message = "call" | stats count() by outcome`',
    '- one call: `filter request_id = "…"`',
  ].join("\n");
