// The MCP server on AWS Lambda behind a regional REST API that streams. Knows how requests arrive, not what they mean.
import { frontDoorChallenge } from "@stateful-mcp/core";
import { Annotations, Duration, Names, RemovalPolicy } from "aws-cdk-lib";
import {
  AccessLogFormat,
  AuthorizationType,
  type DomainName,
  EndpointType,
  IdentitySource,
  LambdaIntegration,
  LogGroupLogDestination,
  RequestAuthorizer,
  ResponseTransferMode,
  ResponseType,
  RestApi,
  SecurityPolicy,
} from "aws-cdk-lib/aws-apigateway";
import { Grant, type IGrantable, type IPrincipal } from "aws-cdk-lib/aws-iam";
import { Architecture, type IFunction, type Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { type ILogGroup, type LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { ApiGatewayDomain } from "aws-cdk-lib/aws-route53-targets";
import type { ISecret } from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";
import { type Access, accessFor } from "./access.ts";
import { acknowledge } from "./checks.ts";
import { allowLogs, grantThrough } from "./encryption.ts";
import { addRecord, addWebAcl } from "./front-door.ts";
import { authorizerCode, serverCode, workerCode } from "./function-code.ts";
import { type LambdaMcpServerProps, requireBounds } from "./lambda-server-props.ts";
import type { MonitoredServer, Signal } from "./monitoring.ts";
import {
  addEndpoints,
  FUNCTION_SERVICES,
  type Place,
  placeIn,
  requireIssuerInReach,
  TRACING_SERVICES,
} from "./network.ts";
import { type FunctionBasis, logGroup, serverFunction } from "./server-function.ts";
import { BothPrincipals, TaskWorker } from "./task-worker.ts";
import { tracingFor } from "./tracing.ts";

/**
 * An MCP server as a Lambda function behind a REST API that streams, with exactly the permissions that serving needs.
 * @throws TypeError when a property is out of bounds or does not fit another.
 */
export class LambdaMcpServer extends Construct implements IGrantable, MonitoredServer {
  readonly api: RestApi;
  readonly function: LambdaFunction;
  readonly logGroup: LogGroup;
  /** Where the function writes that looks at tokens before the server does. */
  readonly doorLogGroup: ILogGroup;
  /** Undefined with OAuth. */
  readonly tokens?: ISecret;
  readonly access: Access;
  /** Where clients connect. */
  readonly url: string;
  /** What the DNS record of `domainName` has to point to. */
  readonly dnsTarget?: string;
  /** Undefined without `tasks`. */
  readonly tasks?: TaskWorker;
  /** What is granted here is granted to the function, and to the worker of its tasks. */
  readonly grantPrincipal: IPrincipal;
  readonly signals: readonly Signal[];
  readonly #made: FunctionBasis;

  constructor(scope: Construct, id: string, props: LambdaMcpServerProps) {
    super(scope, id);
    const { state, architecture = Architecture.ARM_64, reservedConcurrency, provisionedConcurrency } = props;
    const { memoryMiB, longestRequestSeconds, requestsPerSecond, requestBurst } = requireBounds(props);
    const { logRetention = RetentionDays.ONE_MONTH, encryptionKey } = props;
    this.#made = { architecture, logRetention, ...(encryptionKey && { encryptionKey }) };
    if (encryptionKey) allowLogs(this, encryptionKey);
    this.access = accessFor(this, props);
    if (this.access.tokens) this.tokens = this.access.tokens;
    const publicUrl = props.domainName === undefined ? undefined : `https://${props.domainName}`;
    if (!this.tokens && publicUrl === undefined)
      // Only where it is deployed: an app may have another stack that needs none.
      Annotations.of(this).addError(
        "OAuth on Lambda needs domainName and certificate (in the settings domainName and certificateArn): clients look for the server's metadata under its own name, and 401 has to say it.",
      );

    const place = this.#place(props);

    const tracing = tracingFor(this, props);
    const traced = tracing !== undefined;
    const code = {
      entry: props.entry,
      traced,
      blobs: state.bucket !== undefined,
      items: props.environment?.DYNAMODB_TABLE_NAME !== undefined,
    };
    const environment = {
      ...state.environment,
      ...this.access.environment,
      ...(this.tokens && { STATEFUL_MCP_TRUST_AUTHORIZER: "on" }),
      ...(!this.tokens && publicUrl !== undefined && { STATEFUL_MCP_PUBLIC_URL: publicUrl }),
      ...tracing,
      ...props.environment,
    };
    if (props.tasks) {
      this.tasks = new TaskWorker(this, "Tasks", {
        ...this.#made,
        ...place,
        code: workerCode(code),
        memoryMiB,
        traced,
        taskConcurrency: props.taskConcurrency,
        environment,
      });
      state.grantServe(this.tasks);
    }
    this.function = serverFunction(this, "Function", {
      ...this.#made,
      ...place,
      code: serverCode({ ...code, tasks: this.tasks !== undefined }),
      description: "MCP server",
      memoryMiB,
      traced,
      timeout: Duration.seconds(longestRequestSeconds),
      ...(reservedConcurrency !== undefined && { reservedConcurrency }),
      environment: { ...environment, ...this.tasks?.environment },
    });
    this.logGroup = this.function.logGroup as LogGroup;
    state.grantServe(this.function);
    this.tasks?.grantSend(this.function);
    const { grantPrincipal } = this.function;
    this.grantPrincipal = this.tasks ? new BothPrincipals(grantPrincipal, this.tasks.grantPrincipal) : grantPrincipal;

    this.api = this.#api(requestsPerSecond, requestBurst, props.gatewayLogRole ?? true, traced);
    this.#challenge(
      this.tokens
        ? frontDoorChallenge()
        : frontDoorChallenge({
            ...(props.oauthAudience !== undefined && { audience: props.oauthAudience }),
            ...(publicUrl !== undefined && { publicUrl }),
          }),
    );
    const called =
      provisionedConcurrency === undefined
        ? this.function
        : this.function.addAlias("live", { provisionedConcurrentExecutions: provisionedConcurrency });
    const door = this.tokens ? this.#tokenAuthorizer(this.tokens) : this.#oauthAuthorizer(props.environment);
    this.doorLogGroup = door.logGroup;
    this.#routes(called, this.#authorizer(this.tokens ? "TokenAuthorizer" : "OAuthAuthorizer", door));
    const domain = this.#domain(props);
    addRecord(this, props, () => new ApiGatewayDomain(domain!));
    addWebAcl(this, props, this.api.deploymentStage.stageArn);
    if (domain) this.dnsTarget = domain.domainNameAliasDomainName;
    this.url = domain ? `https://${props.domainName}/mcp` : this.api.urlForPath("/mcp");
    this.signals = this.#signals();
  }

  #place({ vpc, isolated = false, endpoints = false, oauthIssuer, tasks, tracing }: LambdaMcpServerProps): {
    place?: Place;
  } {
    if (!vpc) return {};
    requireIssuerInReach(this, isolated, oauthIssuer);
    const place = placeIn(this, "FunctionSecurityGroup", vpc, "function", isolated);
    if (endpoints)
      addEndpoints(this, place, {
        ...(tasks && FUNCTION_SERVICES),
        ...(tracing === "xray" && TRACING_SERVICES),
      });
    return { place };
  }

  #api(rateLimit: number, burstLimit: number, gatewayLogRole: boolean, tracingEnabled: boolean): RestApi {
    const logs = logGroup(this, "AccessLog", this.#made);
    const api = new RestApi(this, "Api", {
      // Its metrics go by this name, and other APIs of the account may be called Api too.
      restApiName: Names.uniqueResourceName(this, { maxLength: 100 }),
      description: "MCP server",
      endpointTypes: [EndpointType.REGIONAL],
      cloudWatchRole: gatewayLogRole,
      ...(gatewayLogRole && { cloudWatchRoleRemovalPolicy: RemovalPolicy.DESTROY }),
      deployOptions: {
        ...(tracingEnabled && { tracingEnabled }),
        throttlingRateLimit: rateLimit,
        throttlingBurstLimit: burstLimit,
        accessLogDestination: new LogGroupLogDestination(logs),
        accessLogFormat: AccessLogFormat.custom(ACCESS_LOG),
      },
    });
    acknowledge(api, {
      APIG2: "The server validates every request against the schema of its tool.",
      APIG3:
        "Every route but health and discovery needs a token, and the stage is throttled. A web ACL can be added to the API.",
      APIG6: "Execution logs would hold what callers store. The server logs every call without it.",
      "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]":
        "API Gateway's account role has to be this one.",
    });
    return api;
  }

  /** The API answers 401 itself: it renames the header of a function's answer, and clients would not know it again. */
  #challenge(challenge: string): void {
    this.api.addGatewayResponse("Unauthorized", {
      type: ResponseType.UNAUTHORIZED,
      // One quote would end the text in which API Gateway wants it.
      responseHeaders: { "WWW-Authenticate": `'${challenge.replaceAll("'", "%27")}'` },
      templates: {
        "application/json": '{"error":"Send a valid token in the header: Authorization: Bearer <token>."}',
      },
    });
  }

  #domain({ domainName, certificate }: LambdaMcpServerProps): DomainName | undefined {
    if (domainName === undefined) return undefined;
    if (!certificate)
      throw new TypeError("domainName is given without certificate; give the certificate for that name");
    return this.api.addDomainName("Domain", {
      domainName,
      certificate,
      endpointType: EndpointType.REGIONAL,
      securityPolicy: SecurityPolicy.TLS_1_2,
    });
  }

  #routes(called: IFunction, authorizer: RequestAuthorizer): void {
    const integration = new LambdaIntegration(called, {
      responseTransferMode: ResponseTransferMode.STREAM,
      timeout: this.function.timeout!,
      // One permission for the API instead of one for each route.
      scopePermissionToMethod: false,
    });
    const closed = this.api.root
      .addResource("{proxy+}")
      .addMethod("ANY", integration, { authorizer, authorizationType: AuthorizationType.CUSTOM });
    acknowledge(closed, {
      COG4: "Callers hold static tokens or those of an issuer of any kind, which need not be a Cognito pool.",
    });
    const open = [
      this.api.root.addResource("healthz").addMethod("GET", integration),
      this.api.root.addResource(".well-known").addResource("{proxy+}").addMethod("GET", integration),
    ];
    for (const method of open) {
      acknowledge(method, {
        APIG4: "Health and discovery are for everybody and tell nothing about anybody.",
        COG4: "See APIG4.",
      });
    }
  }

  #tokenAuthorizer(tokens: ISecret): LambdaFunction {
    const authorizer = this.#authorizerFunction("Checks the bearer tokens of the MCP server", "authorizer", {
      MCP_AUTH_TOKEN_SECRET: tokens.secretArn,
    });
    Grant.addToPrincipal({
      grantee: authorizer,
      actions: ["secretsmanager:GetSecretValue"],
      resourceArns: [tokens.secretArn],
    });
    if (tokens.encryptionKey) grantThrough(tokens.encryptionKey, authorizer, ["secretsmanager"]);
    return authorizer;
  }

  /** The function checks every token again, and alone knows what its scopes allow. */
  #oauthAuthorizer(environment: LambdaMcpServerProps["environment"] = {}): LambdaFunction {
    const changed = Object.entries(environment).filter(([name]) => name in this.access.environment);
    return this.#authorizerFunction("Checks the OAuth tokens of the MCP server", "oauth-authorizer", {
      ...this.access.environment,
      ...Object.fromEntries(changed),
    });
  }

  #authorizer(id: string, handler: LambdaFunction): RequestAuthorizer {
    return new RequestAuthorizer(this, id, {
      handler,
      identitySources: [IdentitySource.header("Authorization")],
      // A token that is taken away is refused at the next request.
      resultsCacheTtl: Duration.seconds(0),
    });
  }

  #authorizerFunction(
    description: string,
    code: Parameters<typeof authorizerCode>[0],
    environment: Readonly<Record<string, string>>,
  ): LambdaFunction {
    return serverFunction(this, "Authorizer", {
      ...this.#made,
      code: authorizerCode(code),
      description,
      memoryMiB: 512,
      timeout: Duration.seconds(10),
      environment,
    });
  }

  #signals(): Signal[] {
    const period = Duration.minutes(5);
    return [
      {
        id: "FunctionErrors",
        title: "Invocations that ended with an error",
        metric: this.function.metricErrors({ period }),
        alarmAbove: 0,
        advice: "Look for level error in the function's log group.",
      },
      {
        id: "FunctionThrottles",
        title: "Invocations refused because of concurrency",
        metric: this.function.metricThrottles({ period }),
        alarmAbove: 0,
        advice: "Raise the account's concurrency limit, or lower the API's request rate.",
      },
      {
        id: "ServerErrors",
        title: "Answers with 5xx",
        metric: this.api.metricServerError({ period, statistic: "Sum" }),
        alarmAbove: 0,
        advice: "Look for status 5xx in the access log, then for level error in the logs of the two functions.",
      },
      ...(this.tasks?.signals ?? []),
      { id: "Requests", title: "Requests", metric: this.api.metricCount({ period }) },
      {
        id: "Concurrency",
        title: "Environments busy at once",
        metric: this.function.metric("ConcurrentExecutions", { period, statistic: "Maximum" }),
      },
    ];
  }
}

/** What a request was and how it ended. No header is in it, and so no token. */
const ACCESS_LOG = JSON.stringify({
  requestId: "$context.requestId",
  time: "$context.requestTime",
  sourceIp: "$context.identity.sourceIp",
  method: "$context.httpMethod",
  path: "$context.path",
  status: "$context.status",
  durationMs: "$context.responseLatency",
  responseBytes: "$context.responseLength",
  error: "$context.error.message",
});
