//! Columns as an Arrow stream, which pandas, polars, pyarrow and DuckDB take without a copy.

use std::{collections::HashMap, ffi::CStr, sync::Arc};

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchIterator, StringArray,
    ffi_stream::FFI_ArrowArrayStream,
};
use arrow_schema::{DataType, Field, Schema};
use pyo3::{prelude::*, types::PyCapsule};
use titer::table::{Column, Values};
use titer_cli::HeardTable;

use crate::error;

/// The name that Arrow's consumers look for.
const NAME: &CStr = c"arrow_array_stream";

/// The columns of a table.
#[pyclass(frozen, module = "titer._lab")]
pub struct Columns {
    name: String,
    batch: RecordBatch,
}

impl Columns {
    /// A table's.
    pub fn of(table: HeardTable) -> Self {
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = table.columns.into_iter().map(one).unzip();
        let metadata = HashMap::from([("titer.table".to_owned(), table.name.to_owned())]);
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let batch = RecordBatch::try_new(schema, arrays).expect("columns of a table are of equal length");
        Self { name: table.name.to_owned(), batch }
    }
}

/// A column as Python has it: its name, what its values are, its unit, what it says, and the values.
type Part<'py> = (String, String, String, String, Bound<'py, PyAny>);

/// A table from its name and its columns, as a copy or another process has them.
#[pyfunction]
pub fn columns_of(name: String, parts: Vec<Part<'_>>) -> PyResult<Columns> {
    let one = |(name, kind, unit, description, values): Part<'_>| -> PyResult<(Field, ArrayRef)> {
        let (kind, array): (DataType, ArrayRef) = match &*kind {
            "number" => (DataType::Float64, Arc::new(Float64Array::from(values.extract::<Vec<Option<f64>>>()?))),
            "whole" => (DataType::Int64, Arc::new(Int64Array::from(values.extract::<Vec<Option<i64>>>()?))),
            "flag" => (DataType::Boolean, Arc::new(BooleanArray::from(values.extract::<Vec<Option<bool>>>()?))),
            _ => (DataType::Utf8, Arc::new(StringArray::from(values.extract::<Vec<Option<String>>>()?))),
        };
        let about = [("unit".to_owned(), unit), ("description".to_owned(), description)];
        Ok((Field::new(name, kind, true).with_metadata(HashMap::from(about)), array))
    };
    let parts: Vec<(Field, ArrayRef)> = parts.into_iter().map(one).collect::<PyResult<_>>()?;
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = parts.into_iter().unzip();
    let schema = Schema::new_with_metadata(fields, HashMap::from([("titer.table".to_owned(), name.clone())]));
    let batch = RecordBatch::try_new(Arc::new(schema), arrays).map_err(error::input)?;
    Ok(Columns { name, batch })
}

fn one(column: Column) -> (Field, ArrayRef) {
    let (kind, array): (DataType, ArrayRef) = match column.values {
        Values::Number(values) => (DataType::Float64, Arc::new(Float64Array::from(values))),
        Values::Whole(values) => (DataType::Int64, Arc::new(Int64Array::from(values))),
        Values::Text(values) => (DataType::Utf8, Arc::new(StringArray::from(values))),
        Values::Flag(values) => (DataType::Boolean, Arc::new(BooleanArray::from(values))),
        Values::NumberIfAny(values) => (DataType::Float64, Arc::new(Float64Array::from(values))),
        Values::TextIfAny(values) => (DataType::Utf8, Arc::new(StringArray::from(values))),
    };
    let about = [("unit", column.unit), ("description", column.description)];
    let about = about.map(|(key, value)| (key.to_owned(), value.to_owned()));
    (Field::new(column.name, kind, true).with_metadata(HashMap::from(about)), array)
}

#[pymethods]
impl Columns {
    /// Which table it is.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Lines and columns.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.batch.num_rows(), self.batch.num_columns())
    }

    /// For every column, in order: its name, its unit (empty for texts) and what it says.
    #[getter]
    fn columns(&self) -> Vec<(String, String, String)> {
        let about = |field: &Field, key| field.metadata().get(key).cloned().unwrap_or_default();
        let schema = self.batch.schema();
        schema.fields().iter().map(|f| (f.name().clone(), about(f, "unit"), about(f, "description"))).collect()
    }

    /// What [`columns_of`] makes the table of.
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Vec<Part<'py>>> {
        let schema = self.batch.schema();
        let columns = self.columns().into_iter().zip(schema.fields());
        columns
            .map(|((name, unit, description), field)| {
                let kind = match field.data_type() {
                    DataType::Float64 => "number",
                    DataType::Int64 => "whole",
                    DataType::Boolean => "flag",
                    _ => "text",
                };
                let values = self.column(py, &name)?;
                Ok((name, kind.to_owned(), unit, description, values))
            })
            .collect()
    }

    /// A column's values as a list: floats, whole numbers, texts, yes or no; `None` where there is none.
    fn column<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let names = || self.batch.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let array = self.batch.column_by_name(name);
        let array =
            array.ok_or_else(|| error::input(format!("no column `{name}`; there are {}", names().join(", "))))?;
        let any = array.as_any();
        if let Some(array) = any.downcast_ref::<Float64Array>() {
            return array.iter().collect::<Vec<_>>().into_pyobject(py);
        }
        if let Some(array) = any.downcast_ref::<Int64Array>() {
            return array.iter().collect::<Vec<_>>().into_pyobject(py);
        }
        if let Some(array) = any.downcast_ref::<BooleanArray>() {
            return array.iter().collect::<Vec<_>>().into_pyobject(py);
        }
        let array = any.downcast_ref::<StringArray>().expect("there are no other kinds of columns");
        array.iter().collect::<Vec<_>>().into_pyobject(py)
    }

    /// The table as a stream of one batch, by Arrow's C interface. A schema that is asked for is not looked at: consumers cast.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let batches = RecordBatchIterator::new([Ok(self.batch.clone())], self.batch.schema());
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), NAME)
    }
}
