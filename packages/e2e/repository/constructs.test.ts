// docs/reference/constructs.md is what the comments of the CDK package say, as a page. `npm test -- repository/constructs -u` writes it again.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { API, type Checker, type Symbol as Name, SymbolFlags, type Type } from "typescript/unstable/sync";
import { afterAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PROJECT = join(ROOT, "cdk/tsconfig.json");
const OPENING = `# Constructs and stacks

What \`@stateful-mcp/cdk\` exports for a CDK app. This page is made from the comments in \`cdk/src\`. A stack takes the properties of its
construct, and those listed under it. [Deploy](../deploy.md#in-your-own-cdk-app) has an example.
`;
/** Each with the construct whose properties it takes as well. */
const CLASSES: readonly (readonly [name: string, around?: string])[] = [
  ["StateTable"],
  ["LambdaMcpServer"],
  ["FargateMcpServer"],
  ["ServerMonitoring"],
  ["StateStack", "StateTable"],
  ["LambdaStack", "LambdaMcpServer"],
  ["FargateStack", "FargateMcpServer"],
];

const compiler = new API({ cwd: ROOT });
afterAll(() => compiler.close());

const isOurs = ({ declarations }: Name) => !declarations.some(({ path }) => path.includes("/node_modules/"));
const isOptional = ({ flags }: Name) => (flags & SymbolFlags.Optional) !== 0;
const isPublic = ({ name, flags }: Name) => !name.includes("#") && (flags & SymbolFlags.Property) !== 0;
/** On one line, with nothing that ends a table's cell. */
const cell = (text: string) => text.replace(/\s+/g, " ").replaceAll("|", "\\|").trim();

class Page {
  readonly #checker: Checker;
  readonly #exports: ReadonlyMap<string, Name>;

  constructor(checker: Checker, module: Name) {
    this.#checker = checker;
    const named = checker
      .getExportsOfModule(module)
      .map((name): [string, Name] => [
        name.name,
        name.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(name) : name,
      ]);
    this.#exports = new Map(named);
  }

  text(): string {
    return [OPENING, ...CLASSES.map(([name, around]) => this.#section(name, around))].join("\n");
  }

  #section(name: string, around: string | undefined): string {
    const made = this.#named(name);
    const taken = new Set(around && this.#properties(`${around}Props`).map((property) => property.name));
    const own = this.#properties(`${name}Props`).filter((property) => !taken.has(property.name));
    const props = own.map((property) => this.#row(property, this.#default(property)));
    const members = this.#members(this.#checker.getDeclaredTypeOfSymbol(made)).filter(isPublic);
    return [
      `## ${name}\n`,
      `${made.getDocumentationComment(this.#checker).replace(/\s+/g, " ")}\n`,
      ...(props.length > 0 ? ["| property | type | meaning | default |", "|---|---|---|---|", ...props, ""] : []),
      ...(members.length > 0 ? ["It has:\n", ...members.map((member) => this.#bullet(member)), ""] : []),
    ].join("\n");
  }

  #named(name: string): Name {
    const found = this.#exports.get(name);
    if (!found) throw new Error(`cdk/src/index.ts exports no ${name}`);
    return found;
  }

  #properties = (name: string) => this.#members(this.#checker.getDeclaredTypeOfSymbol(this.#named(name)));

  #members = (type: Type): Name[] =>
    this.#checker
      .getPropertiesOfType(type)
      .filter(isOurs)
      .toSorted((a, b) => Number(isOptional(a)) - Number(isOptional(b)) || a.name.localeCompare(b.name, "en"));

  #default(property: Name): string {
    const [tag] = property.getJsDocTags(this.#checker).filter(({ name }) => name === "default");
    return isOptional(property) ? (tag?.text ?? "") : "required";
  }

  #row(property: Name, standard: string): string {
    const said = property.getDocumentationComment(this.#checker);
    return `| ${[`\`${property.name}\``, `\`${this.#type(property)}\``, cell(said), cell(standard)].join(" | ")} |`;
  }

  #bullet(member: Name): string {
    const said = member.getDocumentationComment(this.#checker).replace(/\s+/g, " ");
    return `- \`${member.name}\`, \`${this.#type(member)}\`${said && `: ${said}`}`;
  }

  #type(name: Name): string {
    const type = this.#checker.getTypeOfSymbol(name);
    return type ? cell(this.#checker.typeToString(type).replace(/ \| undefined$/, "")) : "";
  }
}

test("the page is what the comments say", { timeout: 120_000 }, async () => {
  const { checker, program } = compiler.updateSnapshot({ openProjects: [PROJECT] }).getProject(PROJECT)!;
  const module = checker.getSymbolAtLocation(program.getSourceFile(join(ROOT, "cdk/src/index.ts"))!)!;
  const text = new Page(checker, module).text();
  // Every row says something, and every choice its default.
  expect(text.split("\n").filter((line) => /\| {2}\|/.test(line))).toEqual([]);
  await expect(text).toMatchFileSnapshot(join(ROOT, "docs/reference/constructs.md"));
});
