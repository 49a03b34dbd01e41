# Starts moto's server with stand-ins for the resource types that it cannot create, so that our stacks deploy against it.
# A stand-in keeps nothing but a name; the table becomes a real one of moto's.
import sys

from moto.core.common_models import CloudFormationModel
from moto.dynamodb.models.table import Table
from moto.cloudformation import parsing

UNKNOWN = [
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::Authorizer",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::Stage",
    "AWS::CloudWatch::Dashboard",
    "AWS::Logs::MetricFilter",
    "AWS::SecretsManager::Secret",
]


class StandIn(CloudFormationModel):
    def __init__(self, name):
        self.name = name

    @property
    def physical_resource_id(self):
        return self.name

    @staticmethod
    def cloudformation_name_type():
        return ""

    @staticmethod
    def cloudformation_type():
        return "StatefulMcp::StandIn"

    @classmethod
    def has_cfn_attr(cls, attr):
        return True

    def get_cfn_attribute(self, attribute_name):
        return f"{self.name}.{attribute_name}"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        return cls(resource_name)

    @classmethod
    def update_from_cloudformation_json(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name):
        pass

    def delete(self, account_id, region_name):
        pass


class GlobalTable(Table):
    """A global table of one region is a table."""

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        properties = cloudformation_json["Properties"]
        table = {**properties, **properties["Replicas"][0]}
        return Table.create_from_cloudformation_json(
            resource_name, {"Properties": table}, account_id, region_name, **kwargs
        )


known = parsing.resource_class_from_type


def resource_class(resource_type):
    if resource_type == "AWS::DynamoDB::GlobalTable":
        return GlobalTable
    return StandIn if resource_type in UNKNOWN else known(resource_type)


parsing.resource_class_from_type = resource_class

if __name__ == "__main__":
    from moto.server import main

    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
