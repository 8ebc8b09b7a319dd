import sys, os
sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "../../..")))
import pytest
@pytest.fixture(scope="session")
def spark():
    from pyspark.sql import SparkSession
    os.environ["TZ"] = "UTC"
    s = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.sql.ansi.enabled", "true")
      .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "2").config("spark.sql.codegen.hugeMethodLimit","8000")
      .config("spark.sql.sources.partitionColumnTypeInference.enabled","false").getOrCreate())
    s.sparkContext.setLogLevel("ERROR")
    yield s
    s.stop()
